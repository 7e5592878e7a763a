// The words of the quickstart's text: four worlds, each with people, things, places and events of its own, and words
// that belong to none.
#pragma once
#include <array>
#include <span>
#include <string_view>

namespace lowland::quickstart {

using Words = std::span<const std::string_view>;

struct World {
  std::string_view name;  // the label
  Words people, things, places, events;
};

inline constexpr int kWorlds = 4;

const std::array<World, kWorlds>& worlds();

Words names();      // who acts where nobody of a world does: "Anna"
Words handlings();  // what is done to a thing: "carried"
Words meetings();   // to a person: "thanked"
Words visits();     // to a place: "visited"
Words openings();   // "Last night": says nothing about the world

}  // namespace lowland::quickstart
