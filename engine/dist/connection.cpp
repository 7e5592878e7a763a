#include "engine/dist/connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "engine/error.h"

namespace lowland::dist {
namespace {

// Milliseconds until then, rounded up, for poll.
int left(Clock::time_point end) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, 1 << 30));
}

bool ready(int fd, short events, Clock::time_point end) {
  pollfd p{fd, events, 0};
  for (;;) {
    const int n = ::poll(&p, 1, left(end));
    if (n > 0) return true;
    if (n == 0 && Clock::now() >= end) return false;
    if (n < 0 && errno != EINTR) return true;  // the call that follows says what is wrong
  }
}

void set_up(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

std::string reason() { return std::system_category().message(errno); }

}  // namespace

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

void Frame::name(const std::string& text) {
  std::memset(what, 0, sizeof what);
  std::memcpy(what, text.data(), std::min(text.size(), sizeof what - 1));
}

Connection::~Connection() { close(); }

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Wait Connection::send(const void* data, int64_t bytes, Clock::time_point end) const {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::send(fd_, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      at += n;
      bytes -= n;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!ready(fd_, POLLOUT, end)) return Wait::timeout;
    } else if (n >= 0 || errno != EINTR) {
      return Wait::closed;
    }
  }
  return Wait::ready;
}

Wait Connection::receive(void* data, int64_t bytes, Clock::time_point end) const {
  char* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::recv(fd_, at, bytes, MSG_DONTWAIT);
    if (n > 0) {
      at += n;
      bytes -= n;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!ready(fd_, POLLIN, end)) return Wait::timeout;
    } else if (n == 0 || errno != EINTR) {
      return Wait::closed;
    }
  }
  return Wait::ready;
}

Wait Connection::send(const Frame& frame, const void* data, Clock::time_point end) const {
  const Wait head = send(&frame, sizeof frame, end);
  return head == Wait::ready ? send(data, frame.bytes, end) : head;
}

void Connection::drain(Clock::time_point end) const {
  if (!open()) return;
  ::shutdown(fd_, SHUT_WR);
  char unread[4096];
  while (receive(unread, sizeof unread, end) == Wait::ready) {}
}

std::string Connection::receive_text(int64_t bytes, Clock::time_point end) const {
  std::string text(std::clamp<int64_t>(bytes, 0, 4096), '\0');
  return receive(text.data(), std::ssize(text), end) == Wait::ready ? text : "";
}

Connection listen_at(int port) {
  Connection listener(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool six = listener.open();
  if (!six) listener = Connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1, off = 0;
  ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (six) ::setsockopt(listener.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(static_cast<uint16_t>(port));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = any6.sin6_port;
  const auto* address = six ? reinterpret_cast<const sockaddr*>(&any6) : reinterpret_cast<const sockaddr*>(&any);
  if (::bind(listener.fd(), address, six ? sizeof any6 : sizeof any) != 0 || ::listen(listener.fd(), 1024) != 0)
    fail("process 0 cannot listen at port {}: {} (has another run the same MASTER_PORT?)", port, reason());
  return listener;
}

Connection accept_from(const Connection& listener, Clock::time_point end) {
  if (!ready(listener.fd(), POLLIN, end)) return Connection();
  Connection c(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (c.open()) set_up(c.fd());
  return c;
}

Connection connect_to(const std::string& host, int port, Clock::time_point end) {
  for (;;) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (status != 0 && status != EAI_AGAIN) fail("MASTER_ADDR {} is no host: {}", host, ::gai_strerror(status));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> kept(found, [](addrinfo* a) {
      if (a != nullptr) ::freeaddrinfo(a);
    });
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
      Connection c(::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (!c.open()) continue;
      if (::connect(c.fd(), a->ai_addr, a->ai_addrlen) != 0) {
        if (errno != EINPROGRESS || !ready(c.fd(), POLLOUT, std::min(end, after(5)))) continue;
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(c.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) continue;
      }
      set_up(c.fd());
      return c;
    }
    if (Clock::now() >= end) return Connection();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

int first_ready(const std::vector<Connection>& connections, Clock::time_point end) {
  std::vector<pollfd> polled;
  for (const Connection& c : connections) polled.push_back({c.fd(), POLLIN, 0});  // poll leaves negative ones aside
  for (;;) {
    const int n = ::poll(polled.data(), polled.size(), left(end));
    for (size_t i = 0; n > 0 && i < polled.size(); ++i)
      if (polled[i].revents != 0) return static_cast<int>(i);
    if (n == 0 && Clock::now() >= end) return -1;
    LL_CHECK(n >= 0 || errno == EINTR, "poll failed: {}", reason());
  }
}

}  // namespace lowland::dist
