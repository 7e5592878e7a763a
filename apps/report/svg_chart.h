// A line chart as an SVG element: several series over one x axis that begins at 0, with ticks, a legend where there is
// more than one, values shown under the pointer, and no script.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lowland::apps {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; values that are not finite are left out
  size_t colour = 0;                              // of series_colour: one run has one colour in all charts
};

const char* series_colour(size_t i);

// Empty where no series has a point.
std::string svg_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& series);

std::string escape_html(const std::string& text);

}  // namespace lowland::apps
