# What `cmake --install` puts on a machine: the programs, manual pages, completions, unit,
# sample and schema. Pages and completions are made by posternctl itself, so a build for another
# architecture needs an emulator.
include(GNUInstallDirs)

install(TARGETS postern posternctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(made ${CMAKE_BINARY_DIR}/share)
set(pages posternctl.1 postern.yaml.5)
file(STRINGS ${CMAKE_SOURCE_DIR}/tools/posternctl/noun.def rows REGEX "^NOUN")
foreach(row ${rows})
  string(REGEX REPLACE "^NOUN\\(\"([a-z-]+)\".*" "\\1" noun "${row}")
  list(APPEND pages posternctl-${noun}.1)
endforeach()
list(TRANSFORM pages PREPEND ${made}/man/ OUTPUT_VARIABLE page_files)
set(completions ${made}/completion/posternctl ${made}/completion/_posternctl ${made}/completion/posternctl.fish)

add_custom_command(OUTPUT ${page_files}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${made}/man
  COMMAND posternctl __man ${made}/man
  DEPENDS posternctl VERBATIM)
add_custom_command(OUTPUT ${completions}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${made}/completion
  COMMAND posternctl completion bash > ${made}/completion/posternctl
  COMMAND posternctl completion zsh > ${made}/completion/_posternctl
  COMMAND posternctl completion fish > ${made}/completion/posternctl.fish
  DEPENDS posternctl VERBATIM)
add_custom_target(share ALL DEPENDS ${page_files} ${completions})

# The unit names the programs where they are put.
install(CODE "
  file(READ ${CMAKE_SOURCE_DIR}/packaging/systemd/postern.service unit)
  string(REPLACE /usr/bin/ \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/ unit \"\${unit}\")
  file(WRITE ${made}/postern.service \"\${unit}\")")

foreach(page ${page_files} ${CMAKE_SOURCE_DIR}/docs/man/postern.8)
  string(REGEX REPLACE ".*\\." "" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES ${made}/completion/posternctl DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${made}/completion/_posternctl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${made}/completion/posternctl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${made}/postern.service DESTINATION lib/systemd/system)
install(FILES packaging/sysusers.d/postern.conf DESTINATION lib/sysusers.d)
install(FILES conf/postern.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/postern)
install(FILES conf/postern.sample.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
