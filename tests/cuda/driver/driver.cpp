// SPDX-License-Identifier: MIT
// The machine that speaks to the driver, NVRTC and cuDNN, with libraries in the place of the first and the last that compute nothing: what
// it says to them, in which order, and that it gives back what it took. NVRTC is the real one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <tests/cuda/driver/fake/libraries.hpp>
#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/support/tiny.hpp>
#include <umsrep/backend/cuda/cuda.hpp>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/train/cuda/training.hpp>

using namespace umsrep;
using test::message_of;

namespace driver_test {

using cuda::machine;
using cuda::plans;
using cuda::precision;

/// What the libraries know, or null, and why, where the backend lacks something else. A folder of its own for what is kept.
class libraries {
public:
    libraries() {
        ::setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
        void* const driver = ::dlopen(UMSREP_FAKE_DRIVER, RTLD_NOW);
        REQUIRE_MESSAGE(driver != nullptr, ::dlerror());
        REQUIRE_MESSAGE(::dlopen(UMSREP_FAKE_CUDNN, RTLD_NOW) != nullptr, ::dlerror());
        state_ = reinterpret_cast<decltype(&::fake_state)>(::dlsym(driver, "fake_state"))();
        state_->engines = {{1}};
        state_->memory = std::size_t{1} << 30;
        state_->runs.clear();
        state_->lists = 0;
        state_->broken = false;
        const cuda::availability a = cuda::available();
        if (!a) MESSAGE("skipped: " << a.reason);
        there_ = a.ok;
    }
    ~libraries() { // all was given back
        CHECK(state_->blocks.empty());
        for (const int left : {state_->contexts.load(), state_->modules.load(), state_->streams, state_->events, state_->graphs,
                               state_->instances, state_->handles, state_->descriptors})
            CHECK(left == 0);
    }
    libraries(const libraries&) = delete;
    libraries& operator=(const libraries&) = delete;

    explicit operator bool() const { return there_; }
    fake::state* operator->() { return state_; }
    const test::temporary_folder& folder() const { return folder_; }

private:
    test::temporary_folder folder_;
    fake::state* state_ = nullptr;
    bool there_ = false;
};

/// A convolution of 8 channels.
cuda::operation_graph a_convolution(int n = 2) {
    node layer;
    layer.kind = op::conv;
    layer.in = layer.out = {8, 4, 4};
    return cuda::forward_convolution(layer, n, precision::bf16, {});
}
/// The number of the engine that a machine prepares the graph with.
std::int64_t prepared_with(machine& m, bool often = true) {
    const std::string json = m.prepare(a_convolution(), precision::bf16, often)->plan().json();
    return std::atoll(json.substr(json.find(' ')).c_str());
}
cuda::kernel::copy<float, float, 1> copy(const cuda::device_memory& a, const cuda::device_memory& b) {
    return {{1, 1, 1, 4}, {static_cast<float*>(a.address()), 4}, {static_cast<float*>(b.address()), 4}, true};
}

} // namespace driver_test

using driver_test::libraries;
using driver_test::prepared_with;

TEST_CASE("a machine counts the memory that it holds, and says how much is wanted and how much is free where there is too little") {
    libraries l;
    if (!l) return;
    l->memory = 1000;
    cuda::machine m, other;
    CHECK(m.held() == 0);
    {
        const cuda::device_memory a = m.allocate(600);
        cuda::device_memory b = other.allocate(100);
        CHECK(m.held() == 600);
        CHECK(other.held() == 100);
        CHECK(message_of<device_error>([&] { m.allocate(400); }) ==
              "CUDA driver: cannot allocate 400 bytes, of 300 that are free (1000 in all): expected success, got CUDA_ERROR_OUT_OF_MEMORY (as "
              "the test wants it)");
        const cuda::device_memory moved = std::move(b);
        CHECK(other.held() == 100);
    }
    CHECK(m.held() == 0);
    CHECK(other.held() == 0);
}

TEST_CASE("kernels are loaded once for all machines of a process, and go with the last") {
    libraries l;
    if (!l) return;
    const int before = l->images;
    auto first = std::make_unique<cuda::machine>(), second = std::make_unique<cuda::machine>();
    for (cuda::machine* m : {first.get(), second.get()}) {
        const cuda::device_memory a = m->allocate(16), b = m->allocate(16);
        const int launches = l->launches;
        m->rehearse([&] { m->launch(driver_test::copy(a, b)); });
        CHECK(l->launches == launches);
        m->launch(driver_test::copy(a, b));
        CHECK(l->launches == launches + 1);
        CHECK(l->images == before + 1);
    }
    first.reset();
    CHECK(l->modules == 1);
    second.reset();
    CHECK(l->modules == 0);
}

TEST_CASE("threads that want the same kernels at once get one image of them") {
    libraries l;
    if (!l) return;
    const int before = l->images;
    const std::shared_ptr<cuda::loaded_kernels> kept = cuda::loaded_kernels::of(0); // for as long as the threads come and go
    const std::string name = cuda::kernel_name<decltype(driver_test::copy({}, {}))>();
    std::vector<CUfunction> found(4, nullptr);
    std::vector<std::thread> threads;
    for (CUfunction& f : found)
        threads.emplace_back([&f, &name] {
            const auto kernels = cuda::loaded_kernels::of(0);
            kernels->load({name});
            f = kernels->find(name);
        });
    for (std::thread& t : threads) t.join();
    for (const CUfunction f : found) CHECK((f != nullptr && f == kept->find(name)));
    CHECK(l->images == before + 1);
}

TEST_CASE("processes that choose a plan at once all get one, and one is kept") {
    libraries l;
    if (!l) return;
    l->engines = {{5, 3e-4}, {6, 1e-4}};
    std::vector<::pid_t> processes;
    for (int i = 0; i < 3; ++i) {
        const ::pid_t process = ::fork();
        REQUIRE(process >= 0);
        if (process == 0) {
            bool good = true;
            try {
                for (int k = 0; k < 10; ++k) {
                    cuda::machine m;
                    good = good && prepared_with(m) == 6;
                }
            } catch (...) {
                good = false;
            }
            ::_exit(good ? 0 : 1);
        }
        processes.push_back(process);
    }
    for (const ::pid_t process : processes) {
        int status = -1;
        CHECK(::waitpid(process, &status, 0) == process);
        CHECK(status == 0);
    }
    int files = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(l.folder() / "umsrep")) ++files;
    CHECK(files == 1);
}

TEST_CASE("of what runs often the fastest plan is chosen and kept; another machine takes it without asking; of the rest, the first") {
    libraries l;
    if (!l) return;
    l->engines = {{5, 3e-4, 64}, {6, 1e-4, 0}, {7, 2e-4, 32}, {8, 0.97e-4}};
    {
        cuda::machine m;
        CHECK(prepared_with(m, false) == 5);
        CHECK(prepared_with(m) == 6);
        CHECK(m.held() == 0);
        CHECK(l->runs[7] > 3);
    }
    const int lists = l->lists;
    l->runs.clear();
    cuda::machine m;
    CHECK(prepared_with(m) == 6);
    CHECK(prepared_with(m, false) == 5);
    CHECK(l->lists == lists);
    CHECK(l->runs[6] == 1); // tried, and not measured
    CHECK(l->runs[7] == 0);
    cuda::machine_with<cuda::machine_options{.plan = cuda::plans::first}> quick;
    CHECK(prepared_with(quick) == 5);
}

TEST_CASE("a plan that does not run, or cannot be captured, is not chosen, and one that needs much memory only where no other runs") {
    libraries l;
    if (!l) return;
    l->engines = {{5, 1e-5}, {6, 2e-5}, {7, 3e-5, 512 << 20}, {8, 4e-5}};
    l->engines[0].runs = l->engines[1].can_be_captured = false;
    {
        cuda::machine m;
        CHECK(prepared_with(m) == 8);
        CHECK(prepared_with(m, false) == 6); // which nobody captures to find out
    }
    l->engines[3].has_plan = l->engines[1].runs = false;
    {
        cuda::machine m;
        CHECK(prepared_with(m) == 7); // 8 was kept, and has no plan now
    }
    l->engines[2].runs = false;
    cuda::machine m;
    const std::string message = message_of<device_error>([&] { prepared_with(m); });
    CHECK_MESSAGE(test::one_line_naming(message, "conv: image 2x8x4x4 bf16"), message);
    CHECK(message.find("expected a plan that runs, got cuDNN: cannot run conv") != std::string::npos);
    CHECK(message.find("engine 5 does not run") != std::string::npos);
    CHECK(message.find("and of the plan that was kept: cuDNN: cannot run conv") != std::string::npos);
    CHECK(message.find("engine 7 does not run") != std::string::npos);
}

TEST_CASE("a plan that fails while a model runs is thrown out of what is kept") {
    libraries l;
    if (!l) return;
    {
        cuda::machine m;
        const auto ready = m.prepare(driver_test::a_convolution(), cuda::precision::bf16);
        CHECK_FALSE(std::filesystem::is_empty(l.folder() / "umsrep"));
        float number = 0;
        std::vector<cuda::argument> arguments;
        for (const cuda::role r : {cuda::role::input, cuda::role::weight, cuda::role::output}) arguments.push_back({r, &number});
        l->engines[0].runs = false;
        CHECK_THROWS_AS(m.run(*ready, arguments, nullptr), cuda::cuda_error);
    }
    CHECK(std::filesystem::is_empty(l.folder() / "umsrep"));
}

TEST_CASE("a plan is not thrown out for want of memory, nor for what something else broke, in a run or when it is tried") {
    libraries l;
    if (!l) return;
    const auto keeps = [&] { return !std::filesystem::is_empty(l.folder() / "umsrep"); };
    {
        cuda::machine m;
        const auto ready = m.prepare(driver_test::a_convolution(), cuda::precision::bf16, true);
        float number = 0;
        std::vector<cuda::argument> arguments;
        for (const cuda::role r : {cuda::role::input, cuda::role::weight, cuda::role::output}) arguments.push_back({r, &number});
        const auto fail = [&] { return message_of<cuda::cuda_error>([&] { m.run(*ready, arguments, nullptr); }); };
        l->engines[0].lacks_memory = true;
        CHECK(fail().find("no memory for engine 1") != std::string::npos);
        l->engines[0].lacks_memory = false;
        l->broken = true;
        CHECK_FALSE(fail().empty());
        l->broken = false;
        CHECK(keeps());
    }
    const int lists = l->lists;
    l->engines[0].lacks_memory = true;
    cuda::machine m;
    CHECK(prepared_with(m) == 1); // untried
    CHECK(l->lists == lists);
    CHECK(keeps());
}

TEST_CASE("what is chosen because there was no memory for other plans is not kept: who comes later measures again") {
    libraries l;
    if (!l) return;
    l->engines = {{5, 1e-5, 64 << 20}, {6, 2e-5}};
    l->memory = 32 << 20;
    {
        cuda::machine m;
        CHECK(prepared_with(m) == 6);
        CHECK_MESSAGE(test::one_line_naming(m.problem(), "conv: image 2x8x4x4 bf16"), m.problem());
        CHECK(m.problem().find("memory for all plans that were to be measured or tried") != std::string::npos);
    }
    l->memory = std::size_t{1} << 30;
    {
        cuda::machine m;
        CHECK(prepared_with(m) == 5);
        CHECK(m.problem().empty());
    }
    l->engines[1].seconds = 1e-6;
    cuda::machine m;
    CHECK(prepared_with(m) == 5); // this one was kept
}

TEST_CASE("where nothing can be kept on disk a machine says so, and what goes into records names no folder") {
    libraries l;
    if (!l) return;
    const std::string described = cuda::machine::describe();
    std::filesystem::create_directories(l.folder().path());
    const std::filesystem::path file = l.folder() / "file";
    std::ofstream(file) << "no folder";
    ::setenv("XDG_CACHE_HOME", file.c_str(), 1);
    CHECK(cuda::machine::describe() == described);
    cuda::machine m;
    CHECK_MESSAGE(test::one_line_naming(m.problem(), "kernels and plans are made anew in every run: " + file.string()), m.problem());
    CHECK(m.problem().find("cannot be written: Not a directory") != std::string::npos);
    CHECK(prepared_with(m) == 1);
    ::unsetenv("XDG_CACHE_HOME");
    const char* const home = std::getenv("HOME");
    const std::string before = home != nullptr ? home : "";
    ::unsetenv("HOME");
    CHECK(cuda::machine{}.problem().find("no folder to keep them in") != std::string::npos);
    if (home != nullptr) ::setenv("HOME", before.c_str(), 1);
}

TEST_CASE("a model for which a device has too little memory says what is wanted and what is free, when it is made or trained") {
    libraries l;
    if (!l) return;
    using bf16 = on_cuda<cuda::precision::bf16>;
    const auto names_both = [](const std::string& message) {
        INFO(message);
        CHECK(message.find("CUDA driver: cannot allocate ") == 0);
        CHECK(message.find(" that are free (") != std::string::npos);
    };
    l->memory = 1000;
    names_both(message_of<device_error>([] { model<test::tiny, bf16> m{seed{1}, batch{4}}; }));
    l->memory = std::size_t{1} << 30;
    model<test::tiny, bf16> m{seed{1}, batch{4}};
    std::size_t held = m.on_device().machine().held();
    l->memory = held + 1000;
    names_both(message_of<device_error>([&] { trainer t{m, joint<all>{}, optim::adamw{}, batch{4}}; }));
    CHECK(m.on_device().machine().held() == held);
    l->memory = std::size_t{1} << 30;
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    auto samples = test::tiny_loader(m);
    samples.start(0);
    const auto b = *samples.next();
    l->memory = m.on_device().machine().held() + 1000;
    const std::string message = message_of<device_error>([&] { t.step(b); });
    INFO(message);
    CHECK(message.find(" that are free (") != std::string::npos);
    l->memory = std::size_t{1} << 30;
    CHECK(t.step(b).size() == 3); // where there is room again
}

TEST_CASE("no graph is prepared while work is captured") {
    libraries l;
    if (!l) return;
    cuda::machine m;
    CHECK(message_of<device_error>([&] { m.capture([&] { m.prepare(driver_test::a_convolution(), cuda::precision::bf16); }); }) ==
          "conv: expected a plan that was made before work is captured, got none");
    CHECK(prepared_with(m) == 1);
    m.capture([&] { CHECK(prepared_with(m) == 1); }); // it is there
}

TEST_CASE("a model predicts and trains: captured from the second time on, no memory is taken then, and all of it is counted") {
    libraries l;
    if (!l) return;
    l->engines = {{1, 1e-4, 100}, {2, 2e-4, 0}};
    model<test::tiny, on_cuda<cuda::precision::bf16>> m{seed{1}, batch{4}};
    const auto images = xt::xtensor<float, 4>::from_shape(std::array<std::size_t, 4>{4, 1, 16, 16});
    auto result = m.predict(images);
    m.predict_into(images, result);
    const auto count = [&](auto work) {
        const std::size_t blocks = l->blocks.size();
        const int launches = l->launches, made = l->plans, replays = l->replays;
        work();
        CHECK(l->blocks.size() == blocks);
        CHECK(l->plans == made);
        return std::pair(l->launches - launches, l->replays - replays);
    };
    const auto predicted = count([&] { m.predict_into(images, result); });
    CHECK(predicted.second == 1);

    auto samples = test::tiny_loader(m);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    const auto b = *samples.next();
    t.step(b);
    t.step(b);
    const auto trained = count([&] { t.step(b); });
    CHECK(trained.second == 1);
    std::size_t bytes = 0;
    for (const auto& block : l->blocks) bytes += block.second;
    CHECK(t.allocated().total() == static_cast<std::int64_t>(bytes));

    auto copy = m.clone(); // takes the plans that were kept
    const int lists = l->lists, images_loaded = l->images;
    CHECK(copy.predict(images).outputs.size() == result.outputs.size());
    CHECK(l->lists == lists);
    CHECK(l->images == images_loaded);
}
