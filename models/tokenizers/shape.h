// The shape of a text: one byte per character (see split_expression.h).
#pragma once
#include <string>
#include <string_view>

namespace lowland {

// ASCII stands for itself; others are one of these.
enum Shape : unsigned char { kShapeL = 0x80, kShapeN, kShapeS, kShapeOther, kShapeLongS, kShapeKelvin };

// REQUIRES valid UTF-8.
void append_shape(std::string_view text, std::string& out);

}  // namespace lowland
