// The C interface of libtorch's c10d that src/c10d.rs declares: a key-value store over TCP, and a group of ranks over Gloo.
//
// No exception leaves this file: a call that fails returns a null pointer or -1, and `mesh_error` has its message.
#define USE_C10D_GLOO 1
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <c10/util/Logging.h>

#include <cstdlib>
#include <cstring>

using c10d::ProcessGroupGloo;
using Bytes = std::vector<uint8_t>;

namespace {

thread_local std::string failure;

// Calls `body`, whose exceptions become a message and the value `failed`.
template <class Value, class Body>
Value guarded(Value failed, Body body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    failure = error.what_without_backtrace();
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
    failure = "an unknown exception of libtorch";
  }
  return failed;
}

at::Tensor bytes(void* data, size_t len) {
  return at::from_blob(data, {static_cast<int64_t>(len)}, at::TensorOptions().dtype(at::kByte));
}

} // namespace

struct MeshStore {
  c10::intrusive_ptr<c10d::TCPStore> store;
};
struct MeshGroup {
  c10::intrusive_ptr<ProcessGroupGloo> group;
};
struct MeshWork {
  c10::intrusive_ptr<c10d::Work> work;
};

extern "C" {

const char* mesh_error() { return failure.c_str(); }

MeshStore* mesh_store_open(const char* host, uint16_t port, bool serve, uint64_t timeout_ms) {
  return guarded<MeshStore*>(nullptr, [&] {
    // c10d also logs, with a backtrace, what the caller is told.
    if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = 3;
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    return new MeshStore{c10::make_intrusive<c10d::TCPStore>(host, options)};
  });
}

uint16_t mesh_store_port(const MeshStore* store) { return store->store->getPort(); }

void mesh_store_close(MeshStore* store) { delete store; }

int mesh_store_set(MeshStore* store, const char* key, const uint8_t* data, size_t len) {
  return guarded(-1, [&] {
    store->store->set(key, Bytes(data, data + len));
    return 0;
  });
}

// 1 where the store has the key.
int mesh_store_has(MeshStore* store, const char* key) {
  return guarded(-1, [&] { return store->store->check({key}) ? 1 : 0; });
}

// Adds to a counter; -1 where that fails.
int64_t mesh_store_add(MeshStore* store, const char* key, int64_t amount) {
  return guarded<int64_t>(-1, [&] { return store->store->add(key, amount); });
}

// Waits for the key; writes at most `capacity` bytes and returns how many there are.
int64_t mesh_store_get(MeshStore* store, const char* key, uint8_t* data, size_t capacity, uint64_t timeout_ms) {
  return guarded<int64_t>(-1, [&] {
    store->store->wait({key}, std::chrono::milliseconds(timeout_ms));
    const Bytes value = store->store->get(key);
    std::memcpy(data, value.data(), std::min(capacity, value.size()));
    return static_cast<int64_t>(value.size());
  });
}

MeshGroup* mesh_group_open(
    MeshStore* store, const char* prefix, int rank, int size, const char* host, uint64_t timeout_ms) {
  return guarded<MeshGroup*>(nullptr, [&] {
    auto options = ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
    options->devices.push_back(ProcessGroupGloo::createDeviceForHostname(host));
    auto group = c10::make_intrusive<ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>(prefix, store->store), rank, size, options);
    // The time is for connecting. Calls take as long as the others do: whoever waits watches them.
    static_cast<c10d::Backend&>(*group).setTimeout(std::chrono::hours(24 * 365));
    return new MeshGroup{group};
  });
}

void mesh_group_close(MeshGroup* group) { delete group; }

// Begins a collective. The buffers stay where they are until the work has ended.
MeshWork* mesh_all_gather(MeshGroup* group, uint8_t* send, size_t len, uint8_t* receive, size_t all) {
  return guarded<MeshWork*>(nullptr, [&] {
    auto input = bytes(send, len), output = bytes(receive, all);
    return new MeshWork{group->group->_allgather_base(output, input)};
  });
}

MeshWork* mesh_all_to_all(MeshGroup* group, uint8_t* send, uint8_t* receive, size_t len) {
  return guarded<MeshWork*>(nullptr, [&] {
    auto input = bytes(send, len), output = bytes(receive, len);
    std::vector<int64_t> equal;
    return new MeshWork{group->group->alltoall_base(output, input, equal, equal)};
  });
}

MeshWork* mesh_broadcast(MeshGroup* group, uint8_t* data, size_t len, int root) {
  return guarded<MeshWork*>(nullptr, [&] {
    std::vector<at::Tensor> tensors{bytes(data, len)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return new MeshWork{group->group->broadcast(tensors, options)};
  });
}

// 0: the work has ended; 1: not within the time.
int mesh_wait(MeshWork* work, uint64_t timeout_ms) {
  return guarded(-1, [&] {
    try {
      work->work->wait(std::chrono::milliseconds(timeout_ms));
    } catch (...) {
      if (work->work->isCompleted()) throw;
      return 1;
    }
    return 0;
  });
}

void mesh_work_close(MeshWork* work) { delete work; }

} // extern "C"
