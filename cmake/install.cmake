# cmake --install, and find_package(lowland) -> lowland::lowland for other projects.
