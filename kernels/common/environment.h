// The environment variables that Lowland reads, all of them: nothing else asks for one (docs/cli.md#environment).
#pragma once
#include <string>

namespace lowland::environment {

struct Variable {
  const char* name;
  std::string value() const;                  // empty if it is not set. Looks each time
  bool on() const { return value() == "1"; }  // for those that are a switch
  void set(const std::string& value) const;   // for the processes that this one starts or becomes
};

inline constexpr Variable kCpuArch{"LL_CPU_ARCH"};  // v3: the AVX2 kernels even where AVX-512 is there
inline constexpr Variable kCpuBf16{"LL_CPU_BF16"};  // 1: bf16 on any CPU, converted to f32 for every product: for tests
inline constexpr Variable kTrace{"LL_TRACE"};       // 1: print every op as it runs
inline constexpr Variable kSync{"LL_SYNC"};         // 1: on a GPU, wait after every kernel, so that an error names it
inline constexpr Variable kCompare{"LL_COMPARE"};   // 1: on a GPU, run the CPU's kernel after each and compare
inline constexpr Variable kAttention{"LL_ATTENTION"};  // on a GPU: lowland (ours, as if not set) or cudnn
inline constexpr Variable kTerm{"TERM"};               // dumb: a terminal that only shows plain lines
inline constexpr Variable kNoColor{"NO_COLOR"};        // any text: no colours (no-color.org)

// How long an idle thread of OpenMP looks for work before it sleeps: the standard's word, GNU's number of looks, and
// LLVM's milliseconds. The runtimes read them when they are loaded, before main.
inline constexpr Variable kOmpWaitPolicy{"OMP_WAIT_POLICY"};
inline constexpr Variable kGompSpinCount{"GOMP_SPINCOUNT"};
inline constexpr Variable kKmpBlocktime{"KMP_BLOCKTIME"};

// Where the local Hugging Face cache is: the first that is set of the cache itself, the folder that holds it as `hub`,
// and the user's folders, as huggingface_hub has it.
inline constexpr Variable kHfHubCache{"HF_HUB_CACHE"};
inline constexpr Variable kHuggingfaceHubCache{"HUGGINGFACE_HUB_CACHE"};
inline constexpr Variable kHfHome{"HF_HOME"};
inline constexpr Variable kXdgCacheHome{"XDG_CACHE_HOME"};
inline constexpr Variable kHome{"HOME"};

// Which of how many processes this one is, by launcher (engine/dist/launch.h); null: the launcher does not tell.
struct RankNames {
  const char *rank, *world, *local, *local_world;
  bool of_slurm = false;
};
inline constexpr RankNames kRanks[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"PMIX_RANK", nullptr, nullptr, nullptr},
    {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", nullptr, true}};
inline constexpr Variable kMasterAddress{"MASTER_ADDR"}, kMasterPort{"MASTER_PORT"};
inline constexpr Variable kOpenMpiRank{"OMPI_COMM_WORLD_RANK"}, kSlurmStep{"SLURM_STEP_ID"};
inline constexpr Variable kSlurmTasksPerHost{"SLURM_STEP_TASKS_PER_NODE"}, kTorchRun{"TORCHELASTIC_RUN_ID"};
inline constexpr Variable kTorchStore{"TORCHELASTIC_USE_AGENT_STORE"};  // True: torchrun listens at MASTER_PORT
// Of --nproc, for the processes that it starts: that it did, and in the first an open socket, by number.
inline constexpr Variable kStartedHere{"LL_STARTED"}, kListener{"LL_LISTENER"};

}  // namespace lowland::environment
