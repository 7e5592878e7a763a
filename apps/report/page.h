// A page: one file with its style and script, light and dark, for a phone's width and a desktop's.
#pragma once
#include <string>
#include <vector>

namespace lowland::apps {

std::string page(const std::string& title, const std::string& body);  // title: escaped here; body: HTML

// The picture of a figure (svg_chart.h, heat_map.h) as a file of its own, light and dark. Empty of none.
std::string svg_file(const std::string& figure);

// Texts, the first row headings, escaped. colours: a square in the colour of series_colour before each row's name, by
// the row's number. kind: "left" for texts, else numbers.
std::string html_table(const std::vector<std::vector<std::string>>& rows, bool colours, const char* kind);

}  // namespace lowland::apps
