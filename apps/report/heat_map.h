// Squares of values as an SVG element: the lower, the darker; the values show under the pointer.
#pragma once
#include <string>
#include <vector>

namespace lowland::apps {

// values: at.size() rows from the lowest y to the highest, each from the lowest x to the highest. Values that are not
// finite are left white. Empty if there are none.
struct Mark {
  double x = 0, y = 0;
  std::string name;
};
std::string heat_map(const std::string& title, const std::vector<double>& at, const std::vector<double>& values,
                     const std::vector<Mark>& marks = {});

// A cell for each row (a layer, say) and column (a step), both with names; row by row from the top. Values that are not
// finite are left out. What all rows' names begin or end with is not repeated. Empty where there is nothing to show.
std::string grid_map(const std::string& title, const std::vector<std::string>& rows,
                     const std::vector<std::string>& columns, const std::vector<double>& values);

}  // namespace lowland::apps
