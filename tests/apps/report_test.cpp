// The pictures of report.html: where an axis is cut, what a chart holds, and that nothing comes from outside.
#include "apps/report/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <regex>

#include "apps/common/text_table.h"
#include "apps/report/heat_map.h"
#include "apps/report/page.h"
#include "apps/report/svg_chart.h"

using namespace lowland::apps;
using nlohmann::json;

namespace {

Series series(const std::string& name, const std::vector<double>& ys, size_t colour) {
  Series s{name, {}, colour};
  for (size_t i = 0; i < ys.size(); ++i) s.points.emplace_back(10.0 * static_cast<double>(i + 1), ys[i]);
  return s;
}

RunRecord run(const std::string& name, const std::string& method, double shift) {
  RunRecord r{
      name, {{"settings", {{"method", method}}}, {"last", {{"eval_loss", 0.5}, {"eval_accuracy", 0.9}}}}, {}, {}};
  const std::string loss = method == "eflat-lora" ? "loss_perturbed" : "loss";
  for (int step = 10; step <= 60; step += 10) {
    r.metrics.push_back({{"step", step}, {loss, 1.0 / step + shift}});
    r.metrics.push_back({{"step", step}, {"eval_loss", 2.0 / step + shift}, {"eval_accuracy", 0.9 + shift}});
  }
  return r;
}

}  // namespace

TEST_CASE("a table as Markdown: headings, columns, bars in cells") {
  CHECK(markdown_table({{"method", "task", "score"}, {"a|b", "–", "1.5"}}) ==
        "| method | task | score |\n|---|---|---:|\n| a\\|b | – | 1.5 |\n");
}

TEST_CASE("report: an axis shows the difference of those that end close, and says where it is cut") {
  const std::vector<Series> all = {series("a", {0.5, 0.96, 0.975, 0.976, 0.977, 0.977}, 0),
                                   series("b", {0.4, 0.95, 0.985, 0.987, 0.988, 0.988}, 1),
                                   series("random", {0.3, 0.3, 0.31, 0.33, 0.34, 0.34}, 2)};
  const Focus f = focus_of(all);
  CHECK(f.low > 0.9);
  CHECK(f.low < 0.975);
  CHECK(f.high >= 0.988);
  CHECK(f.high < 1);
  CHECK((0.988 - 0.977) / (f.high - f.low) > 0.25);  // a quarter of the height
  CHECK(f.cut.find("outside: early steps and random, which ends at 0.34.") != std::string::npos);
  const std::string svg = svg_chart("eval_accuracy", "step", all);
  CHECK(svg.find("class='cut'") != std::string::npos);
  CHECK(svg.find("<figcaption>The axis is cut at 0.97") != std::string::npos);
}

TEST_CASE("report: an axis is whole where cutting gains nothing") {
  for (const std::vector<Series>& all : {std::vector{series("a", {0.1, 0.5, 0.9}, 0)},
                                         {series("a", {0.1, 0.4, 0.9}, 0), series("b", {0.1, 0.3, 0.5}, 1)},
                                         {series("a", {1, 1, 1}, 0), series("b", {1, 1, 1}, 1)},
                                         {series("a", {1.75, 1.7, 1.622}, 0), series("b", {1.7, 1.65, 1.602}, 1),
                                          series("one that is apart, and not far", {1.4, 1.35, 1.312}, 2)}}) {
    const Focus f = focus_of(all);
    CHECK(f.cut.empty());
    for (const Series& s : all)
      for (const auto& p : s.points) CHECK((p.second > f.low && p.second < f.high));
  }
  // A peak just outside is let in.
  const Focus f = focus_of(
      {series("a", {0.1, 0.995, 0.97, 0.96, 0.96, 0.96}, 0), series("b", {0.1, 0.96, 0.98, 0.98, 0.98, 0.98}, 1)});
  CHECK(f.high > 0.995);
  CHECK(f.low > 0.9);
}

TEST_CASE("report: the numbers of an axis are written alike, and fit beside it") {
  const std::regex numbers("text-anchor='end'>(-?[0-9.]+)</text>");
  struct Case {
    std::vector<double> ys;
    std::string power, first;  // the power of ten told above, and the lowest number
  };
  for (const Case& c :
       {Case{{1.602e-4, 1.641e-4}, ">1e-4<", "1.61"}, Case{{-2.4e-5, -3.7e-5}, ">1e-5<", "-3.6"},
        Case{{0.25, 0.25, 0.25}, "", "0.23"}, Case{{0.9874, 0.9882, 0.9878}, "", "0.9874"}, Case{{0, 0, 0}, "", "-0.4"},
        Case{{3, 250, 17}, "", "0"}, Case{{2e6, 4.6e6}, ">1e6<", "2.0"},
        Case{{1.3816021, 1.3816029}, ">1e-7 + 1.381602<", "2"},
        Case{{-1.3816021, -1.3816029}, ">1e-7 - 1.381603<", "2"}, Case{{123456.7, 123456.9}, "> + 123456<", "0.70"}}) {
    const std::string svg = svg_chart("Sharpness", "step", {series("a", c.ys, 0)});
    INFO(svg);
    if (c.power.empty()) CHECK((svg.find(">1e") == std::string::npos && svg.find("x='2'") == std::string::npos));
    CHECK(svg.find(c.power) != std::string::npos);
    std::vector<std::string> found;
    for (std::sregex_iterator i(svg.begin(), svg.end(), numbers), end; i != end; ++i) found.push_back((*i)[1]);
    REQUIRE(found.size() >= 3);
    CHECK(found.front() == c.first);
    const auto decimals = [](const std::string& t) { return t.size() - std::min(t.find('.'), t.size()); };
    for (const std::string& t : found) {
      CHECK(t.size() <= 6);  // letters of 6.6 in a margin of 46
      CHECK(decimals(t) == decimals(found.front()));
    }
  }
}

TEST_CASE("report: training and evaluation loss in one chart; values for the script; nothing from outside") {
  const std::string one = report_html({run("lora", "lora", 0)});
  CHECK(one.find("data-name='training'") != std::string::npos);
  CHECK(one.find("data-name='evaluation' data-x='10 20 30 40 50 60'") != std::string::npos);
  CHECK(one.find(">eval_loss</text>") == std::string::npos);
  const std::string two = report_html({run("lora", "lora", 0), run("flat & low", "eflat-lora", 0.05)});
  CHECK(two.find("data-name='flat &amp; low, training, perturbed'") != std::string::npos);
  CHECK(two.find("Training of flat &amp; low: at the perturbed point.") != std::string::npos);
  CHECK(two.find("stroke-dasharray") != std::string::npos);
  for (const char* outside : {"http:", "https:", "src=", "@import", "<link"})
    CHECK(two.find(outside) == std::string::npos);
  for (const char* part : {"prefers-color-scheme:dark", "position:sticky", "pointerdown"})
    CHECK(two.find(part) != std::string::npos);
}

TEST_CASE("report: what --probe balance logged is a map of layers and steps, with names that are not repeated") {
  RunRecord r = run("a", "eflat-lora", 0);
  for (const int step : {5, 10}) {
    json first{{"module", "encoder.layer.0.attention.query"}, {"balancedness", step}, {"norm_b", 0.5}};
    json second{{"module", "encoder.layer.1.attention.query"}, {"balancedness", -1.5}, {"norm_b", nullptr}};
    r.metrics.push_back({{"step", step}, {"adapters", json::array({first, second})}});
  }
  const std::string html = report_html({r});
  CHECK(html.find("Balancedness by layer") != std::string::npos);
  CHECK(html.find(">0.attention<") == std::string::npos);
  CHECK(html.find(">1<") != std::string::npos);  // encoder.layer and attention.query are those of all
  CHECK(html.find("<title>encoder.layer.1.attention.query, step 10: -1.5</title>") != std::string::npos);
  CHECK(html.find("Dark: -1.5; light: 10.") != std::string::npos);
  CHECK(html.find("Norm of the perturbation by layer") == std::string::npos);  // nobody logged it
}

TEST_CASE("report: a scatter shows each point with its name, on axes that hold all of them") {
  const std::string svg =
      svg_scatter("t <", "sharpness", {{"a", {{0.1, 0.5}, {0.2, 0.75}}, 0}, {"b", {{0.15, NAN}}, 1}});
  CHECK(svg.find("t &lt;") != std::string::npos);
  CHECK(svg.find("<title>a: 0.75 at 0.2</title>") != std::string::npos);
  CHECK(svg.find("<title>b") == std::string::npos);
  CHECK(svg.find("NaN") == std::string::npos);
  const std::string file = svg_file(svg);
  CHECK(file.starts_with("<svg xmlns='http://www.w3.org/2000/svg'"));
  CHECK(file.ends_with("</svg>\n"));
  CHECK(svg_scatter("t", "x", {}).empty());
}

TEST_CASE("report: letters of pictures are at least 11 px high on a page of 390 px") {
  const double room = 390 - 2 * 15;  // body's padding of 1em
  const std::string chart = svg_chart("t", "step", {series("a", {1, 2}, 0)});
  const std::string map = heat_map("t", {-1, 0, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const std::string page = report_html({run("lora", "lora", 0)});
  for (const std::string& svg : {chart, map}) {
    std::smatch box, letters;
    REQUIRE(std::regex_search(svg, box, std::regex("viewBox='0 0 ([0-9]+) ")));
    REQUIRE(std::regex_search(page, letters, std::regex("\\.tick\\{font-size:([0-9]+)px")));
    CHECK(std::stod(letters[1]) * room / std::stod(box[1]) >= 11);
  }
}
