// A square of values over two axes as an SVG element: the lower, the darker; the values show under the pointer.
#pragma once
#include <string>
#include <vector>

namespace lowland::apps {

// values: at.size() rows from the lowest y to the highest, each from the lowest x to the highest. Values that are not
// finite are left white. Empty if there are none.
std::string heat_map(const std::string& title, const std::vector<double>& at, const std::vector<double>& values);

}  // namespace lowland::apps
