#include "apps/report/page.h"

#include <fmt/format.h>

#include "apps/report/chart_script.h"
#include "apps/report/svg_chart.h"

namespace lowland::apps {
namespace {

// What pictures are drawn with, in a page and as files.
constexpr const char* kPictureStyle =
    "svg{--back:#fff;--text:#222;--dim:#555;--grid:#e5e5e5}"
    "@media(prefers-color-scheme:dark){svg{--back:#191919;--text:#ddd;--dim:#aaa;--grid:#333}}"
    "svg{background:var(--back)}.grid{stroke:var(--grid)}.tick{font-size:12px;fill:var(--dim)}"
    ".title{font-size:14px;font-weight:600;fill:var(--text)}.rule{display:none}"
    ".cut{stroke:var(--text);stroke-width:1.5;fill:none}";

constexpr const char* kStyle =
    ":root{color-scheme:light dark;--back:#fff;--text:#222;--dim:#555;--line:#ddd;--grid:#e5e5e5;--shade:#0004}"
    "@media(prefers-color-scheme:dark){:root{--back:#191919;--text:#ddd;--dim:#aaa;--line:#3a3a3a;--grid:#333;"
    "--shade:#fff5}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:1.5em auto;padding:0 1em;color:var(--text);"
    "background:var(--back)}h1{font-size:1.5em;margin-bottom:.2em;overflow-wrap:anywhere}"
    "h2{font-size:1.1em;margin:2em 0 .4em}.note,figcaption{color:var(--dim);margin:.3em 0;overflow-wrap:anywhere}"
    "figcaption{font-size:12px;line-height:1.35}"
    // A shadow at the side where more of a table is: it scrolls with the view, and what covers it with the table.
    ".wide{overflow-x:auto;max-width:max-content;margin:.6em 0;background:"
    "linear-gradient(90deg,var(--back) 40%,#0000) 0/40px 100% no-repeat local,"
    "linear-gradient(270deg,var(--back) 40%,#0000) 100%/40px 100% no-repeat local,"
    "linear-gradient(270deg,var(--shade),#0000) 100%/16px 100% no-repeat scroll}"
    "table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}"
    "td,th{padding:.3em .8em;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}"
    "th{font-weight:600;color:var(--dim)}.left td,.left th,td:first-child,th:first-child,td:nth-child(2),"
    "th:nth-child(2){text-align:left}td:first-child,th:first-child{position:sticky;left:0;background:var(--back);"
    "border-right:1px solid var(--line);min-width:6em;max-width:38vw;white-space:normal;overflow-wrap:break-word}"
    ".dot{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:7px}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:1.4em 1.6em}"
    "figure{margin:0;max-width:480px}figure>svg{width:100%;height:auto;display:block}.chart{touch-action:pan-y}"
    ".grid{stroke:var(--grid)}.tick{font-size:12px;fill:var(--dim)}.title{font-size:14px;font-weight:600;"
    "fill:var(--text)}.rule{stroke:var(--dim);display:none}.cut{stroke:var(--text);stroke-width:1.5;fill:none}"
    ".tip{position:absolute;pointer-events:none;font-size:13px;padding:.3em .6em;border:1px solid var(--line);"
    "border-radius:4px;background:var(--back);box-shadow:0 1px 4px var(--shade)}.tip[hidden]{display:none}"
    "details{margin:1em 0}summary{cursor:pointer}"
    "pre{background:color-mix(in srgb,var(--text) 6%,var(--back));padding:1em;overflow:auto}";

}  // namespace

std::string svg_file(const std::string& figure) {
  const size_t begin = figure.find("<svg "), end = figure.rfind("</svg>");
  if (begin == std::string::npos || end == std::string::npos) return "";
  const size_t head = figure.find('>', begin) + 1;
  return fmt::format("<svg xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' {}<style>{}</style>{}</svg>\n",
                     figure.substr(begin + 5, head - begin - 5), kPictureStyle, figure.substr(head, end - head));
}

std::string html_table(const std::vector<std::vector<std::string>>& rows, bool colours, const char* kind) {
  std::string html = fmt::format("<div class='wide' tabindex='0'><table class='{}'>", kind);
  for (size_t r = 0; r < rows.size(); ++r) {
    html += "<tr>";
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const std::string dot = colours && r > 0 && c == 0
                                  ? fmt::format("<span class='dot' style='background:{}'></span>", series_colour(r - 1))
                                  : "";
      html += fmt::format("<{0}>{1}{2}</{0}>", r == 0 ? "th" : "td", dot, escape_html(rows[r][c]));
    }
    html += "</tr>";
  }
  return html + "</table></div>";
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
      "<title>{0}</title><style>{1}</style></head><body><h1>{0}</h1>{2}<script>{3}</script></body></html>\n",
      escape_html(title), kStyle, body, kChartScript);
}

}  // namespace lowland::apps
