# together.awk FILE...: tests in one file, to be compiled at once (LOWLAND_UNITY): their includes first, each once, then
# each file in a namespace of its own, so that no name of one meets one of another. Errors name the files' own lines.
FNR == 1 {
  if (files++) body = body "}\n"
  body = body "namespace tests_" files " {\n#line 1 \"" FILENAME "\"\n"
}
/^#include/ {
  if (!($0 in seen)) headers = headers $0 "\n"
  seen[$0] = 1
  body = body "\n"
  next
}
{ body = body $0 "\n" }
END { printf "%s%s}\n", headers, body }
