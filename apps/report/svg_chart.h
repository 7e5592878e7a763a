// A line chart as an SVG element: several series over one x axis, with ticks and a legend where there is more than one.
// Made for a width of 340 to 480 pixels, where its letters are 11 to 15 pixels high; chart_script.h shows the values
// under pointer or finger.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lowland::apps {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; values that are not finite are left out
  size_t colour = 0;                              // of series_colour: one run has one colour in all charts
  bool dashed = false;  // belongs to the series of the same colour, which stands in the legend
};

const char* series_colour(size_t i);

// A range of y that shows how the series differ once they have settled, where the whole range would make it flat:
// what they do in the first third of x may lie outside, and so may one that ends far from the others. `cut` says what
// lies outside, in a sentence; empty, and the range that of all points, where nothing is gained.
struct Focus {
  double low = 0, high = 1;
  std::string cut;
};
Focus focus_of(const std::vector<Series>& series);

// A figure with its caption: `note`, and where the axis is cut. Empty where no series has a point.
std::string svg_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& series,
                      const std::string& note = "");

// The same as points without lines: both axes show the range of the points.
std::string svg_scatter(const std::string& title, const std::string& x_label, const std::vector<Series>& series,
                        const std::string& note = "");

std::string escape_html(const std::string& text);

}  // namespace lowland::apps
