// The processes of a run: joined before anything is read, compared before the first step, and ended together.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/settings/settings.h"
#include "apps/train/state.h"
#include "engine/dist/communicator.h"

namespace lowland::apps {

// The processes that a launcher or --nproc has started; all but the first say nothing but errors from here on. Throws
// Ended in the process that --nproc was given to, behind the end of those that it started. Error on --nproc under a
// launcher that started another number.
std::unique_ptr<dist::Communicator> join_ranks(const RankSettings& settings, SystemSettings& system,
                                               BatchSettings& batch);

// What only a process by itself does: Error, naming the verb, in one of several.
void require_alone(const std::string& verb);

// Runs work; tells the others where it throws, so that they need not wait for the timeout.
void run_together(dist::Communicator& ranks, const std::function<void()>& work);

// Error in all processes, naming the first that is not as process 0 and in what: program, settings, inputs, numbers.
void check_same(dist::Communicator& ranks, const RunIdentity& run, const nn::Arena& arena);
// The same of the trained numbers alone, which every process computes for itself.
void check_same_numbers(dist::Communicator& ranks, const nn::Arena& arena, int64_t step);

// "4 processes over TCP, together 3.1% of the time"; empty for one.
std::string ranks_text(const dist::Communicator& ranks, double seconds);

// Work in numbered pieces that do not depend on each other, dealt to the processes: each piece is made by one of them
// and taken by all, in order, as soon as those before it are there. ranks: null is this one alone.
void deal(dist::Communicator* ranks, int64_t pieces, const std::function<std::string(int64_t piece)>& make,
          const std::function<void(int64_t piece, const std::string& made)>& take);
// The same of `count` texts, of which a piece is `each`: make gives those of [begin, end).
void deal_texts(dist::Communicator* ranks, int64_t count, int64_t each,
                const std::function<std::vector<std::string>(int64_t begin, int64_t end)>& make,
                const std::function<void(int64_t i, const std::string& text)>& take);

}  // namespace lowland::apps
