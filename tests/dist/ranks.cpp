#include "tests/dist/ranks.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "engine/dist/communicator.h"
#include "engine/dist/star.h"

namespace lowland::test {

Meeting::Meeting() : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener, any, size) == 0);
  REQUIRE(::listen(listener, 64) == 0);
  REQUIRE(::getsockname(listener, any, &size) == 0);
  port = ntohs(address.sin_port);
}

dist::Launch Meeting::launch(int rank, int world) const {
  dist::Launch l;
  l.rank = {rank, world, rank, world};
  l.told_by = "a test";
  l.address = "127.0.0.1";
  l.port = port;
  l.listener = rank == 0 ? listener : -1;
  return l;
}

std::vector<std::string> run_ranks(int world, const std::function<void(dist::Communicator&)>& work, double timeout_s) {
  const Meeting meeting;
  std::vector<std::string> threw(static_cast<size_t>(world));
  std::vector<std::thread> threads;
  for (int r = 0; r < world; ++r)
    threads.emplace_back([&, r] {
      try {
        const auto ranks = world == 1 ? dist::alone() : dist::make_star(meeting.launch(r, world), timeout_s);
        work(*ranks);
        ranks->barrier("the end");
      } catch (const std::exception& e) {
        threw[static_cast<size_t>(r)] = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  return threw;
}

void must_run(int world, const std::function<void(dist::Communicator&)>& work) {
  for (const std::string& threw : run_ranks(world, work)) REQUIRE(threw == "");
}

}  // namespace lowland::test
