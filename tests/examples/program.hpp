// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tests/support/temporary_folder.hpp>

namespace umsrep::test {

inline std::string content_of(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// The bytes of every file in a folder.
inline std::map<std::string, std::string> contents_of(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.is_regular_file()) files[entry.path().filename().string()] = content_of(entry.path());
    return files;
}

/// A program under test, running in a process of its own. What it writes to its two streams is kept.
class process {
public:
    process(const std::string& program, std::vector<std::string> arguments) {
        std::vector<char*> argv{const_cast<char*>(program.c_str())};
        for (std::string& a : arguments) argv.push_back(a.data());
        argv.push_back(nullptr);
        const std::string out = (streams_ / "out").string(), err = (streams_ / "err").string();
        id_ = ::fork();
        if (id_ != 0) return;
        const auto redirect = [](const std::string& file, int to) {
            const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            ::dup2(opened, to);
        };
        redirect(out, STDOUT_FILENO);
        redirect(err, STDERR_FILENO);
        ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process() { send(SIGKILL); }

    void send(int signal) {
        if (!ended_) ::kill(id_, signal);
        wait();
    }

    /// The exit status, or 128 + the signal that ended it.
    int wait() {
        int status = 0;
        while (!ended_ && ::waitpid(id_, &status, 0) < 0 && errno == EINTR) {}
        if (!ended_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        ended_ = true;
        return code_;
    }

    bool running() {
        int status = 0;
        if (ended_ || ::waitpid(id_, &status, WNOHANG) == 0) return !ended_;
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        ended_ = true;
        return false;
    }

    std::string out() const { return content_of(streams_ / "out"); }
    std::string err() const { return content_of(streams_ / "err"); }

private:
    temporary_folder streams_;
    ::pid_t id_ = -1;
    bool ended_ = false;
    int code_ = -1;
};

} // namespace umsrep::test
