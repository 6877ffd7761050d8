// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>

#include <sys/resource.h>

namespace umsrep::test {

/// While it lives, no file of this process can grow beyond `bytes`: writes fail as on a full disk.
class disk_full {
public:
    explicit disk_full(rlim_t bytes) : handler_{std::signal(SIGXFSZ, SIG_IGN)} {
        ::getrlimit(RLIMIT_FSIZE, &earlier_);
        rlimit small = earlier_;
        small.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    disk_full(const disk_full&) = delete;
    disk_full& operator=(const disk_full&) = delete;
    ~disk_full() {
        ::setrlimit(RLIMIT_FSIZE, &earlier_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    void (*handler_)(int);
    rlimit earlier_{};
};

} // namespace umsrep::test
