// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <tests/cuda/kernel_list.hpp>
#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/backend/cuda/kernel_cache.hpp>

namespace umsrep::test::kernel_compile {

using cuda::kernel_cache;

/// The compiler, or none where this machine lacks it: then a test says so and ends.
const cuda::nvrtc_api* compiler() {
    try {
        return &cuda::nvrtc();
    } catch (const device_error& e) {
        MESSAGE("skipped: " << e.what());
        return nullptr;
    }
}

const std::vector<std::string> some_kernels{cuda::kernel_name<cuda::kernel::softmax<float>>(),
                                            cuda::kernel_name<cuda::kernel::make_streams>()};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    return files;
}

TEST_CASE("every kernel compiles for sm_80, sm_90 and sm_100, under a symbol of its own") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const std::vector<std::string> names = kernel_list::every_kernel();
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
    for (const int architecture : {80, 90, 100}) {
        CAPTURE(architecture);
        const cuda::compiled_kernels compiled = cuda::compile_kernels(*api, names, architecture);
        CHECK(std::set<std::string>(compiled.symbols.begin(), compiled.symbols.end()).size() == names.size());
        REQUIRE(compiled.image.size() > 4);
        CHECK(compiled.image.substr(1, 3) == "ELF");
        for (const std::string& symbol : compiled.symbols) CHECK(compiled.image.find(symbol) != std::string::npos);
    }
}

TEST_CASE("what does not compile is said in one line, with the compiler's words") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const auto message = [&](std::vector<std::string> names, int architecture, const char* source) {
        return message_of<device_error>([&] { cuda::compile_kernels(*api, names, architecture, source); });
    };
    const std::string syntax = message({}, 90, "#include <umsrep/backend/cuda/kernel/map.cuh>\nint x = nonsense;\n");
    CHECK_MESSAGE(one_line_naming(syntax, "NVRTC: cannot compile kernels for sm_90: expected success, got NVRTC_ERROR_COMPILATION"), syntax);
    CHECK(one_line_naming(syntax, "identifier \"nonsense\" is undefined"));
    const std::string header = message({}, 90, "#include <vector>\n");
    CHECK_MESSAGE(one_line_naming(header, "vector"), header);
    const std::string name = message({"umsrep::cuda::kernel::map_kernel<int*>"}, 90, cuda::all_kernels);
    CHECK_MESSAGE(one_line_naming(name, "NVRTC: cannot compile kernels for sm_90"), name);
    const std::string architecture = message(some_kernels, 7, cuda::all_kernels);
    CHECK_MESSAGE(one_line_naming(architecture, "sm_7"), architecture);
}

TEST_CASE("for an architecture that NVRTC does not know kernels are PTX of the newest one before it") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const std::vector<int> known = api->architectures();
    REQUIRE_FALSE(known.empty());
    const cuda::compiled_kernels compiled = cuda::compile_kernels(*api, some_kernels, known.back() + 1);
    CHECK(compiled.image.find(".target sm_" + std::to_string(known.back())) != std::string::npos);
    CHECK(compiled.image.back() == '\0'); // as the driver wants it
    for (const std::string& symbol : compiled.symbols) CHECK(compiled.image.find(symbol) != std::string::npos);
}

TEST_CASE("machine code is for the architecture itself, PTX for one before it, and one older than all is refused") {
    const std::vector<int> known{75, 80, 90};
    CHECK(cuda::target_for(80, known).text() == "sm_80");
    CHECK(cuda::target_for(89, known).text() == "compute_80");
    CHECK(cuda::target_for(100, known).text() == "compute_90");
    CHECK(message_of<device_error>([&] { cuda::target_for(70, known); }) ==
          "NVRTC: expected an architecture that it knows, sm_75 or newer, got sm_70");
}

TEST_CASE("of several NVRTCs the first that the driver understands is taken; where there is none, those that were found are named") {
    struct fake {
        int version;
        int cuda_version() const { return version; }
    };
    constexpr std::array names{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    const auto version = [&](int driver, std::map<std::string, int> installed) {
        return cuda::open_for_driver(names, driver, [&](const std::string& name) {
                   if (installed.count(name) == 0) throw device_error(name + " is not there");
                   return fake{installed.at(name)};
               }).version;
    };
    CHECK(version(13000, {{"libnvrtc.so.13", 13000}, {"libnvrtc.so.12", 12080}}) == 13000);
    CHECK(version(12040, {{"libnvrtc.so.13", 13000}, {"libnvrtc.so.12", 12080}}) == 12080); // of the same major version a newer one will do
    CHECK(version(12040, {{"libnvrtc.so.13", 13000}, {"libnvrtc.so", 12020}}) == 12020);
    CHECK(version(14000, {{"libnvrtc.so.13", 13000}}) == 13000);
    CHECK(version(0, {{"libnvrtc.so.13", 13000}}) == 13000); // no driver: kernels are compiled for elsewhere
    CHECK(message_of<device_error>([&] { version(12040, {{"libnvrtc.so.13", 13000}, {"libnvrtc.so", 13010}}); }) ==
          "NVRTC: expected one of CUDA 12 or older, as the NVIDIA driver is for CUDA 12.4, got libnvrtc.so.13 of CUDA 13.0, libnvrtc.so of "
          "CUDA 13.1");
    CHECK(message_of<device_error>([&] { version(12040, {}); }) ==
          "NVRTC: expected libnvrtc.so.13 or libnvrtc.so.12 or libnvrtc.so to be there, got libnvrtc.so.13 is not there");
}

TEST_CASE("kernels are compiled once and then found; for another architecture or another set they are compiled again") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const temporary_folder folder;
    const kernel_cache cache(folder / "made" / "when needed");
    const auto first = cache.get(*api, some_kernels, 90);
    CHECK_FALSE(first.found);
    CHECK(first.problem == "");
    const auto again = kernel_cache(folder / "made" / "when needed").get(*api, some_kernels, 90);
    CHECK(again.found);
    CHECK(again.kernels.image == first.kernels.image);
    CHECK(again.kernels.symbols == first.kernels.symbols);
    CHECK_FALSE(cache.get(*api, some_kernels, 80).found);
    CHECK_FALSE(cache.get(*api, std::span(some_kernels).first(1), 90).found);
    CHECK(files_in(folder / "made" / "when needed").size() == 3);
}

TEST_CASE("a damaged file is compiled again and replaced") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const temporary_folder folder;
    const kernel_cache cache(folder.path());
    const auto good = cache.get(*api, some_kernels, 90);
    const auto file = files_in(folder.path()).at(0);
    std::ifstream in(file, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    std::string flipped = whole, longer = whole + '\0';
    flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 1);
    for (const std::string& content : {std::string{}, whole.substr(0, 5), whole.substr(0, whole.size() / 2),
                                       whole.substr(0, whole.size() - 1), flipped, longer}) {
        CAPTURE(content.size());
        std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
        const auto got = cache.get(*api, some_kernels, 90);
        CHECK_FALSE(got.found);
        CHECK(got.problem == "");
        CHECK(got.kernels.symbols == good.kernels.symbols);
        CHECK(got.kernels.image == good.kernels.image);
        CHECK(cache.get(*api, some_kernels, 90).found);
    }
    CHECK(folder.files() == 1);
}

TEST_CASE("where a file of the cache cannot be read or written, kernels are compiled and the problem is told") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const temporary_folder folder;
    const kernel_cache cache(folder.path());
    const auto good = cache.get(*api, some_kernels, 90);
    const auto file = files_in(folder.path()).at(0);
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    const auto got = cache.get(*api, some_kernels, 90);
    CHECK_FALSE(got.found);
    CHECK(got.problem != "");
    CHECK(got.kernels.image == good.kernels.image);
}

TEST_CASE("several processes fill one folder at once: all get good kernels, and one file is left") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const temporary_folder folder;
    const auto good = cuda::compile_kernels(*api, some_kernels, 90);
    std::vector<::pid_t> processes;
    for (int i = 0; i < 3; ++i) {
        const ::pid_t process = ::fork();
        REQUIRE(process >= 0);
        if (process == 0) {
            bool same = true;
            try {
                for (int k = 0; k < 3; ++k) {
                    const auto got = kernel_cache(folder.path()).get(*api, some_kernels, 90);
                    same = same && got.problem.empty() && got.kernels.image == good.image && got.kernels.symbols == good.symbols;
                    same = same && (k == 0 || got.found);
                }
            } catch (...) {
                same = false;
            }
            ::_exit(same ? 0 : 1);
        }
        processes.push_back(process);
    }
    for (const ::pid_t process : processes) {
        int status = -1;
        CHECK(::waitpid(process, &status, 0) == process);
        CHECK(status == 0);
    }
    CHECK(folder.files() == 1);
}

TEST_CASE("where nothing can be kept the kernels are good all the same, and the reason is said") {
    const auto* api = compiler();
    if (api == nullptr) return;
    const temporary_folder folder;
    std::ofstream(folder / "file") << "not a folder";
    const auto got = kernel_cache(folder / "file" / "kernels").get(*api, some_kernels, 90);
    CHECK_FALSE(got.found);
    CHECK_MESSAGE(one_line_naming(got.problem, "cannot be written: Not a directory"), got.problem);
    CHECK_FALSE(got.kernels.image.empty());
    CHECK(one_line_naming(kernel_cache(std::filesystem::path{}).get(*api, some_kernels, 90).problem, "no folder to keep kernels in"));
}

TEST_CASE("what was kept can be thrown away, and what was not kept, too") {
    const temporary_folder folder;
    const cuda::file_cache cache(folder.path(), "plan-");
    CHECK(cache.keep("key", "content") == "");
    CHECK(cache.find("key") == "content");
    cache.forget("another key");
    CHECK(cache.find("key") == "content");
    cache.forget("key");
    CHECK_FALSE(cache.find("key").has_value());
    cache.forget("key");
    CHECK(folder.files() == 0);
}

TEST_CASE("the folder is XDG_CACHE_HOME's, else HOME's, and none where neither is absolute") {
    const auto value = [](const char* variable) {
        const char* const text = std::getenv(variable);
        return text != nullptr ? std::optional<std::string>(text) : std::nullopt;
    };
    const auto set = [](const char* variable, const std::optional<std::string>& text) {
        text ? ::setenv(variable, text->c_str(), 1) : ::unsetenv(variable);
    };
    const auto cache = value("XDG_CACHE_HOME"), home = value("HOME");
    set("XDG_CACHE_HOME", "/somewhere"), set("HOME", "/home/me");
    CHECK(cuda::file_cache::default_folder() == "/somewhere/umsrep");
    set("XDG_CACHE_HOME", "relative");
    CHECK(cuda::file_cache::default_folder() == "/home/me/.cache/umsrep");
    set("XDG_CACHE_HOME", std::nullopt);
    CHECK(cuda::file_cache::default_folder() == "/home/me/.cache/umsrep");
    set("HOME", std::nullopt);
    CHECK(cuda::file_cache::default_folder().empty());
    set("XDG_CACHE_HOME", cache), set("HOME", home);
}

} // namespace umsrep::test::kernel_compile
