// Python's operators on values.
#pragma once
#include "models/chat/jinja/value.h"

namespace lowland::jinja {

// op: + - * / | (floor division) % ^ (power). Error: operands that do not go together, a number beyond 64 bits.
Value arithmetic(char op, const Value& a, const Value& b, Budget& budget);
Value negative(const Value& a);
// a[start:stop:step]; each may be none.
Value slice(const Value& a, const Value& start, const Value& stop, const Value& step, Budget& budget);
// The item of a sequence or text at a place, counted from the end where it is negative; undefined beyond.
Value at_place(const Value& a, int64_t place, Budget& budget);
double rounded(double x, int64_t digits);  // half to even, of the number as it is, as Python's round

}  // namespace lowland::jinja
