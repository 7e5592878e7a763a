// The two tables that find_filter looks in, and what both use.
#pragma once
#include <map>
#include <string_view>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"

namespace lowland::jinja {

using Filters = std::map<std::string_view, Filter>;
const Filters& text_filters();  // filters_text.cpp: one value to one value
const Filters& list_filters();  // filters_list.cpp: lists, dicts, and what goes through them

// A text as it is, another value as str() has it.
inline Text soft_text(Interpreter& run, const Value& v) { return v.text() ? *v.text() : to_text(v, run.budget()); }

}  // namespace lowland::jinja
