# The target `bundle`: build/bundle, all that tests/gpu.sh runs on a machine with a GPU.
set(lowland_bundled tests_ops tests_optim tests_nn tests_models tests_engine eflat_replay device_info lowland-roberta
    lowland-llama lowland-vlm lowland-quickstart-data)
if(TARGET kernel_lab)
  list(APPEND lowland_bundled kernel_lab)
endif()
add_custom_target(bundle COMMAND bash ${PROJECT_SOURCE_DIR}/cmake/bundle.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
                  ${PROJECT_BINARY_DIR}/bundle ${lowland_bundled} DEPENDS ${lowland_bundled} VERBATIM)
