// Worker processes: each is begun once and does one job after another, until none is left.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lowland::apps {

// A job by its number gives a line of text.
using DoJob = std::function<std::string(int64_t job)>;

struct WorkerPool {
  int64_t workers = 1;
  std::string log_folder;        // stderr of worker N goes to worker-N.log there, behind what it holds
  std::function<DoJob()> begin;  // in each worker, before its first job
  // In the caller, as jobs end: line is empty where the worker died over it. died: how ("was killed by signal 9").
  std::function<void(int64_t job, const std::string& line, const std::string& died)> done;
};

// Jobs are begun in the order given. A worker that died is replaced. Workers end with the process that began them,
// however that ends. REQUIRES a process that has no threads yet: workers are forks of it.
void do_jobs(const std::vector<int64_t>& jobs, const WorkerPool& pool);

}  // namespace lowland::apps
