// A TCP connection between two processes of a run, and the frames that go over it. Every wait has an end.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::dist {

using Clock = std::chrono::steady_clock;
Clock::time_point after(double seconds);

enum class FrameKind : uint32_t { hello, welcome, reduce, broadcast, gather, failure };

// What goes before the bytes of a call.
struct Frame {
  uint64_t magic = kMagic;
  FrameKind kind = FrameKind::hello;
  int32_t rank = 0, world = 0;
  uint32_t detail = 0;  // type and operation
  int64_t call = 0;     // its number
  int64_t bytes = 0;    // that follow
  char what[64] = {};
  static constexpr uint64_t kMagic = 0x3164776f6c776f6c;
  void name(const std::string& text);
};

enum class Wait : uint8_t { ready, timeout, closed };

// A socket. Owned. The functions return false where the other end is gone, and at `end` where it does not answer.
class Connection {
 public:
  explicit Connection(int fd = -1) : fd_(fd) {}
  ~Connection();
  Connection(Connection&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Connection& operator=(Connection&& other) noexcept;
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void close();

  Wait send(const void* data, int64_t bytes, Clock::time_point end) const;
  Wait receive(void* data, int64_t bytes, Clock::time_point end) const;
  Wait send(const Frame& frame, const void* data, Clock::time_point end) const;
  void drain(Clock::time_point end) const;  // says that nothing more is sent, and reads until the other end has closed
  // The text of a failure's frame; empty where it does not come.
  std::string receive_text(int64_t bytes, Clock::time_point end) const;

 private:
  int fd_;
};

// A socket that listens at the port of this host. Error, naming the port, where it is taken.
Connection listen_at(int port);
// The next who connects. Closed: nobody until `end`.
Connection accept_from(const Connection& listener, Clock::time_point end);
// Tries until `end`. Error, with the system's reason, on a name that is no host; closed where nobody listens.
Connection connect_to(const std::string& host, int port, Clock::time_point end);
// The first of these with something to read, or that has closed; -1 at `end`. Those that are not open are left aside.
int first_ready(const std::vector<Connection>& connections, Clock::time_point end);

}  // namespace lowland::dist
