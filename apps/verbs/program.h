// The program of a family: verbs and flags by CLI11, in both spellings (--batch-size, --batch_size), with the nearest
// flag suggested for an unknown one. Errors go to stderr, begin with "error:" and end the program with 1.
#pragma once
#include <string>
#include <vector>

#include "apps/verbs/verbs.h"

namespace lowland::apps {

// Reads the arguments, the verb first, and runs it. Error, a plain sentence, for what is wrong with them.
void parse_flags(CLI::App& app, std::vector<std::string> args);

// Parses and runs the verb; the exit code of main. `verbs`: in the order of --help.
int run_program(int argc, char** argv, const Family& family, const std::vector<AddVerb>& verbs);

}  // namespace lowland::apps
