# The target `bundle`: build/bundle, all that tests/gpu.sh runs on a machine with a GPU.
set(lowland_bundled tests_ops tests_optim tests_nn tests_models tests_engine eflat_replay device_info lowland-roberta
    lowland-llama lowland-vlm lowland-quickstart-data)
if(TARGET kernel_lab)
  list(APPEND lowland_bundled kernel_lab)
endif()
set(lowland_bundle bash ${PROJECT_SOURCE_DIR}/cmake/bundle.sh)
add_custom_target(bundle COMMAND ${lowland_bundle} ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
                  ${PROJECT_BINARY_DIR}/bundle ${lowland_bundled} DEPENDS ${lowland_bundled} VERBATIM)

# Its folder, as it will lie on that machine: the tests on the emulated device run there (tests/CMakeLists.txt), and its
# script says why it can do nothing here.
add_test(NAME bundle_files COMMAND ${lowland_bundle} --files ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
         ${PROJECT_BINARY_DIR}/bundle-files ${lowland_bundled})
set_tests_properties(bundle_files PROPERTIES FIXTURES_SETUP bundle)
add_test(NAME bundle_script COMMAND bash ${PROJECT_BINARY_DIR}/bundle-files/gpu.sh ${PROJECT_BINARY_DIR}/bundle-results
         nothing)
set_tests_properties(bundle_script PROPERTIES FIXTURES_REQUIRED bundle
                     PASS_REGULAR_EXPRESSION "no NVIDIA driver|no GPU|has no CUDA backend|gpu.json and results")
