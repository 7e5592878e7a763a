// Questions from single files. Each reader's Error names file:line (and of a JSON list the record).
//
// vqa       JSON lines or a list: image (a file, a list of files, or none), question, and answer, or answers (texts, or
//           objects with an answer) by several people; choices make it multiple choice, the answer being one of them
//           or its place, counted from 0; id or question_id. VizWiz's annotations have this shape, too.
//           The question may say where its pictures belong, by <image>; otherwise they come first.
// llava     a list or lines: image (or none) and conversations, from human and gpt; pictures belong where <image> is
// captions  CSV, TSV or JSON lines: image, caption. The picture is all that is asked
//
// Image names are joined to `folder`; pictures are not looked for here.
#pragma once
#include <string>
#include <vector>

#include "apps/data/columns.h"
#include "apps/data/question.h"

namespace lowland {

// The keys and columns above that --columns may give other names.
std::vector<std::string> question_columns();

// instruction: put behind each question, on a line of its own; llava's conversations are as they are.
std::vector<Question> read_vqa(const std::string& file, const std::string& folder, const std::string& instruction,
                               const Columns& columns = {});
std::vector<Question> read_llava(const std::string& file, const std::string& folder,
                                 const std::string& instruction = "", const Columns& columns = {});
std::vector<Question> read_captions(const std::string& file, const std::string& folder, const std::string& instruction,
                                    const Columns& columns = {});

}  // namespace lowland
