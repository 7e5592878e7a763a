#include "engine/dist/star.h"

#include <cstring>

#include "engine/dist/connection.h"
#include "engine/error.h"

namespace lowland::dist {
namespace {

constexpr double kTell = 2;  // seconds to tell somebody that all is over

class Star final : public Communicator {
 public:
  Star(const Launch& launch, double timeout_s) : Communicator(launch.rank, timeout_s), peers_(launch.rank.world) {
    if (leads()) {
      welcome(launch);
    } else {
      meet(launch);
    }
  }

  ~Star() override { end_gathers(); }

  std::string engine() const override { return "TCP"; }

  void leave(const std::string& why) override {
    end_gathers();
    const std::string text = fmt::format("rank {} ended: {}", rank().index, why);
    for (const Connection& c : peers_) tell(c, text);
  }

 protected:
  void do_reduce(void* data, int64_t count, DType dtype, Reduce how, const char* what) override {
    const auto bytes = static_cast<int64_t>(count * size_of(dtype));
    const Frame frame = begin(FrameKind::reduce, what, bytes, 16 * static_cast<uint32_t>(dtype) + (how == Reduce::max));
    if (!leads()) {
      put(0, frame, data);
      return get(0, frame, data);
    }
    std::vector<std::vector<char>> theirs(world());
    int next = 1;  // added in the order of the ranks, whoever comes first
    collect(
        frame,
        [&](int r) {
          theirs[r].resize(bytes);
          return theirs[r].data();
        },
        [&] {
          for (; next < world() && !theirs[next].empty(); ++next) {
            reduce_into(data, theirs[next].data(), count, dtype, how);
            theirs[next] = {};
          }
        });
    for (int r = 1; r < world(); ++r) put(r, frame, data);
  }

  void do_broadcast(void* data, int64_t bytes, const char* what) override {
    const Frame frame = begin(FrameKind::broadcast, what, bytes, 0);
    if (!leads()) return get(0, frame, data);
    for (int r = 1; r < world(); ++r) put(r, frame, data);
  }

  void do_gather(void* all, const void* mine, int64_t bytes, const char* what) override {
    Frame frame = begin(FrameKind::gather, what, bytes, 0);
    char* const out = static_cast<char*>(all);
    if (!leads()) {
      put(0, frame, mine);
    } else {
      std::memcpy(out, mine, bytes);
      collect(
          frame, [&](int r) { return out + r * bytes; }, [] {});
    }
    frame.bytes = bytes * world();
    if (!leads()) return get(0, frame, all);
    for (int r = 1; r < world(); ++r) put(r, frame, all);
  }

 private:
  Frame begin(FrameKind kind, const char* what, int64_t bytes, uint32_t detail) {
    Frame f;
    f.kind = kind;
    f.rank = rank().index;
    f.world = world();
    f.detail = detail;
    f.call = ++calls_;
    f.bytes = bytes;
    f.name(where(what));
    // Process 0 is the one that names who hangs: the others wait for its word.
    end_ = after(leads() ? timeout_s() : timeout_s() + 2 * kTell);
    return f;
  }

  // Ends everything: tells the others, and throws the sentence.
  [[noreturn]] void end(const std::string& sentence) {
    if (leads()) {
      for (const Connection& c : peers_) tell(c, sentence);
      for (const Connection& c : peers_) c.drain(after(1));  // closed with something unread, it would be cut off
    }
    fail(sentence);
  }

  void tell(const Connection& c, const std::string& text) const {
    if (!c.open()) return;
    Frame f;
    f.kind = FrameKind::failure;
    f.rank = rank().index;
    f.bytes = static_cast<int64_t>(text.size());
    c.send(f, text.data(), after(kTell));
  }

  [[noreturn]] void end_for(int peer, Wait how, const char* at) {
    const std::string who = fmt::format("rank {} of {}", peer, world());
    if (how == Wait::closed) end(fmt::format("{} {} has ended", at, who));
    end(fmt::format("{} {} has not answered for {:g} s: it hangs or is slow (--dist-timeout)", at, who, timeout_s()));
  }

  void put(int peer, const Frame& frame, const void* data) {
    const Wait how = peers_[peer].send(frame, data, end_);
    if (how == Wait::ready) return;
    // It may have said why before it went.
    if (how == Wait::closed) get_head(peer, frame);
    end_for(peer, how, frame.what);
  }

  // The head of the peer's frame for the same call; what it says instead ends everything.
  void get_head(int peer, const Frame& mine) {
    Frame theirs;
    const Wait how = peers_[peer].receive(&theirs, sizeof theirs, end_);
    if (how != Wait::ready) end_for(peer, how, mine.what);
    theirs.what[sizeof theirs.what - 1] = 0;
    if (theirs.kind == FrameKind::failure) {
      const std::string text = peers_[peer].receive_text(theirs.bytes, after(kTell));
      if (text.starts_with('[')) end(text);  // it says where
      end(fmt::format("{} {}", mine.what, text.empty() ? fmt::format("rank {} has failed", peer) : text));
    }
    if (theirs.magic != Frame::kMagic || theirs.kind != mine.kind || theirs.call != mine.call ||
        theirs.bytes != mine.bytes || theirs.detail != mine.detail || std::strcmp(theirs.what, mine.what) != 0)
      end(fmt::format("rank {} is at {} ({} bytes) where rank {} is at {} ({} bytes): they do not run the same", peer,
                      theirs.what, theirs.bytes, rank().index, mine.what, mine.bytes));
  }

  void get(int peer, const Frame& mine, void* data) {
    get_head(peer, mine);
    const Wait how = peers_[peer].receive(data, mine.bytes, end_);
    if (how != Wait::ready) end_for(peer, how, mine.what);
  }

  // Process 0: everybody's part, whoever comes first, so that one who has gone is noticed while another is awaited.
  template <class Place, class Arrived> void collect(const Frame& frame, Place place, Arrived arrived) {
    std::vector<bool> came(world());
    for (int missing = world() - 1; missing > 0; --missing) {
      const int r = first_ready(peers_, end_);
      if (r < 0)
        for (int p = 1; p < world(); ++p)
          if (!came[p]) end_for(p, Wait::timeout, frame.what);
      if (came[r]) {  // it has nothing to say before it is answered, but why it ends
        get_head(r, frame);
        end_for(r, Wait::closed, frame.what);
      }
      get(r, frame, place(r));
      came[r] = true;
      arrived();
    }
  }

  // Process 0 waits for all others.
  void welcome(const Launch& launch) {
    end_ = after(timeout_s());
    const Connection listener = launch.listener >= 0 ? Connection(launch.listener) : listen_at(launch.port);
    for (int missing = world() - 1; missing > 0;) {
      Connection c = accept_from(listener, end_);
      if (!c.open()) end(fmt::format("rank {} of {} has not come within {:g} s", absent(), world(), timeout_s()));
      Frame hello;
      if (c.receive(&hello, sizeof hello, std::min(end_, after(5))) != Wait::ready || hello.magic != Frame::kMagic ||
          hello.kind != FrameKind::hello)
        continue;  // a stranger
      std::string wrong;
      const int r = hello.rank;
      if (hello.world != world()) {
        wrong = fmt::format("process 0 has WORLD_SIZE {} and process {} has {}", world(), r, hello.world);
      } else if (r < 1 || r >= world() || peers_[r].open()) {
        wrong = fmt::format("two processes say that they are rank {} of {}: do two runs share a port?", r, world());
      }
      if (!wrong.empty()) {
        tell(c, wrong);
        end(wrong);
      }
      peers_[r] = std::move(c);
      --missing;
    }
    Frame all;
    all.kind = FrameKind::welcome;
    for (int r = 1; r < world(); ++r) put(r, all, nullptr);
  }

  int absent() const {
    for (int r = 1; r < world(); ++r)
      if (!peers_[r].open()) return r;
    return 0;
  }

  void meet(const Launch& launch) {
    end_ = after(timeout_s() + 2 * kTell);
    const std::string at = fmt::format("{}:{}", launch.address, launch.port);
    peers_[0] = connect_to(launch.address, launch.port, end_);
    LL_CHECK(peers_[0].open(), "nobody listens at {}, where process 0 should, for {:g} s", at, timeout_s());
    Frame hello, answer;
    hello.rank = rank().index;
    hello.world = world();
    const bool sent = peers_[0].send(hello, nullptr, end_) == Wait::ready;
    const Wait how = sent ? peers_[0].receive(&answer, sizeof answer, end_) : Wait::closed;
    LL_CHECK(how != Wait::timeout, "not all of the {} processes have come within {:g} s", world(), timeout_s());
    LL_CHECK(how == Wait::ready && answer.magic == Frame::kMagic, "who answers at {} is not process 0 of this run", at);
    if (answer.kind == FrameKind::failure) fail(peers_[0].receive_text(answer.bytes, after(kTell)));
  }

  std::vector<Connection> peers_;  // process 0: of each of the others; else only the first
  Clock::time_point end_;          // of the call under way
  int64_t calls_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_star(const Launch& launch, double timeout_s) {
  return std::make_unique<Star>(launch, timeout_s);
}

}  // namespace lowland::dist
