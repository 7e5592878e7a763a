#include "apps/quickstart/words.h"

namespace lowland::quickstart {

namespace {

using sv = std::string_view;

constexpr sv kFarmPeople[] = {"farmer",   "shepherd", "milkmaid", "ploughman",
                              "herdsman", "farmhand", "dairyman", "reaper"};
constexpr sv kFarmThings[] = {"plough", "tractor", "hay",   "wheat",     "barley", "cow",    "sheep",  "pig",
                              "hen",    "calf",    "fence", "pitchfork", "saddle", "scythe", "fodder", "manure"};
constexpr sv kFarmPlaces[] = {"barn", "meadow", "stable", "pasture", "orchard", "field", "henhouse", "pigsty"};
constexpr sv kFarmEvents[] = {"harvest", "milking", "ploughing", "sowing", "lambing", "shearing"};

constexpr sv kSeaPeople[] = {"sailor", "captain", "fisherman", "pirate", "diver", "admiral", "helmsman", "boatswain"};
constexpr sv kSeaThings[] = {"anchor",  "sail", "net",    "oar",     "rudder",  "mast",     "lobster", "herring",
                             "compass", "buoy", "dinghy", "harpoon", "rigging", "mackerel", "tiller",  "raft"};
constexpr sv kSeaPlaces[] = {"harbour", "lighthouse", "pier", "reef", "lagoon", "dock", "jetty", "shipyard"};
constexpr sv kSeaEvents[] = {"voyage", "storm", "tide", "launch", "regatta", "landing"};

constexpr sv kCookPeople[] = {"cook", "baker", "chef", "waiter", "confectioner", "dishwasher", "caterer", "brewer"};
constexpr sv kCookThings[] = {"oven",  "ladle", "saucepan", "kettle",   "dough",   "butter", "whisk",    "spatula",
                              "flour", "sugar", "pastry",   "omelette", "skillet", "apron",  "colander", "teapot"};
constexpr sv kCookPlaces[] = {"kitchen", "bakery", "pantry", "tavern", "canteen", "diner", "larder", "scullery"};
constexpr sv kCookEvents[] = {"dinner", "supper", "baking", "tasting", "breakfast", "banquet"};

constexpr sv kMusicPeople[] = {"violinist", "pianist", "drummer",  "singer",
                               "conductor", "cellist", "flautist", "composer"};
constexpr sv kMusicThings[] = {"violin",   "piano", "drum",  "trumpet", "cello", "flute", "harp",  "trombone",
                               "clarinet", "score", "baton", "guitar",  "organ", "banjo", "bugle", "metronome"};
constexpr sv kMusicPlaces[] = {"studio", "opera", "ballroom", "bandstand", "academy", "stage", "auditorium", "theatre"};
constexpr sv kMusicEvents[] = {"concert", "rehearsal", "encore", "overture", "audition", "recital"};

constexpr std::array<World, kWorlds> kAll = {{
    {"farm", kFarmPeople, kFarmThings, kFarmPlaces, kFarmEvents},
    {"sea", kSeaPeople, kSeaThings, kSeaPlaces, kSeaEvents},
    {"kitchen", kCookPeople, kCookThings, kCookPlaces, kCookEvents},
    {"music", kMusicPeople, kMusicThings, kMusicPlaces, kMusicEvents},
}};

constexpr sv kNames[] = {"Anna", "Boris", "Clara", "David", "Emma", "Frank", "Greta", "Henry"};
constexpr sv kHandlings[] = {"carried", "fetched", "wanted", "painted", "sold", "found", "chose", "dropped"};
constexpr sv kMeetings[] = {"met", "thanked", "called", "followed"};
constexpr sv kVisits[] = {"visited", "reached", "left", "entered"};
constexpr sv kOpenings[] = {"Yesterday", "Last night", "On Sunday", "This time", "In spring", "Once again"};

}  // namespace

const std::array<World, kWorlds>& worlds() { return kAll; }
Words names() { return kNames; }
Words handlings() { return kHandlings; }
Words meetings() { return kMeetings; }
Words visits() { return kVisits; }
Words openings() { return kOpenings; }

}  // namespace lowland::quickstart
