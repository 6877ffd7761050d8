// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/kernel/map.cuh>
#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/machine.hpp>

#include <tests/cuda/graph_interpreter.hpp>

namespace umsrep::test {

/// A machine without a device: bodies in plain loops, graphs by an interpreter. It is as unforgiving as it can be. Fresh memory is NaN in
/// every type. Nothing is done before somebody waits for it, so host memory that lived too short is seen; of the two queues one always
/// goes first, so an event that is missing is seen, too. Every address of a graph must lie in an allocation, and no graph may write over
/// what it reads.
class host_machine {
    struct heap;

public:
    class memory {
    public:
        memory() = default;
        memory(std::shared_ptr<heap> h, std::size_t bytes) : heap_{std::move(h)}, bytes_{bytes} {
            if (bytes == 0) return;
            if (bytes > heap_->largest)
                throw device_error("the host's machine", "at most " + std::to_string(heap_->largest) + " bytes", std::to_string(bytes));
            address_ = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{256}));
            std::memset(address_, 0xff, bytes);
            heap_->blocks[address_] = bytes;
            ++heap_->allocations;
        }
        memory(memory&& other) noexcept
            : heap_{std::move(other.heap_)}, address_{std::exchange(other.address_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
        memory& operator=(memory&& other) noexcept {
            std::swap(heap_, other.heap_);
            std::swap(address_, other.address_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~memory() {
            if (address_ == nullptr) return;
            if (heap_->finish && std::uncaught_exceptions() == 0) heap_->finish(); // as a device does
            heap_->blocks.erase(address_);
            ::operator delete (address_, std::align_val_t{256});
        }
        std::size_t bytes() const { return bytes_; }
        void* address() const { return address_; }

    private:
        std::shared_ptr<heap> heap_;
        std::byte* address_ = nullptr;
        std::size_t bytes_ = 0;
    };

    /// Of the host: plain.
    class host_memory {
    public:
        host_memory() = default;
        explicit host_memory(std::size_t bytes) : bytes_(bytes, std::byte{0xff}) {}
        std::size_t bytes() const { return bytes_.size(); }
        void* address() { return bytes_.data(); }
        const void* address() const { return bytes_.data(); }

    private:
        std::vector<std::byte> bytes_;
    };

    struct prepared {
        cuda::operation_graph graph;
        std::size_t workspace() const { return 64; }
    };
    struct recording {
        std::shared_ptr<const std::vector<std::function<void()>>> work;
        explicit operator bool() const { return work != nullptr; }
    };
    /// How often it was marked, and how often that came.
    struct event {
        struct counts {
            std::uint64_t marked = 0, come = 0;
        };
        std::shared_ptr<counts> c = std::make_shared<counts>();
    };

    /// `first`: the queue that goes on whenever it can.
    explicit host_machine(cuda::queue first = cuda::queue::copies) : first_{first}, heap_{std::make_shared<heap>()} {
        heap_->finish = [this] { run_until([] { return false; }); };
    }
    host_machine(const host_machine&) = delete;
    host_machine& operator=(const host_machine&) = delete;
    ~host_machine() { heap_->finish = nullptr; }

    memory allocate(std::size_t bytes) {
        if (capturing_ || rehearsing_) throw std::logic_error("memory is allocated while work is captured or rehearsed");
        return {heap_, bytes};
    }
    host_memory allocate_on_host(std::size_t bytes) {
        if (capturing_ || rehearsing_) throw std::logic_error("memory is allocated while work is captured or rehearsed");
        return host_memory{bytes};
    }

    void upload(void* to, const void* from, std::size_t bytes, cuda::queue q = cuda::queue::compute) {
        if (bytes == 0) return;
        check_inside(to, bytes, "a copy to the device");
        check_outside(from, "a copy to the device reads");
        enqueue(q, [this, to, from, bytes] {
            check_inside(to, bytes, "a copy to the device");
            std::memcpy(to, from, bytes);
        });
    }
    void download(void* to, const void* from, std::size_t bytes, cuda::queue q = cuda::queue::compute) {
        if (bytes == 0) return;
        check_inside(from, bytes, "a copy to the host");
        check_outside(to, "a copy to the host writes");
        enqueue(q, [this, to, from, bytes] {
            check_inside(from, bytes, "a copy to the host");
            std::memcpy(to, from, bytes);
        });
    }
    void zero(void* to, std::size_t bytes) {
        if (bytes == 0) return;
        check_inside(to, bytes, "zeros");
        enqueue(cuda::queue::compute, [to, bytes] { std::memset(to, 0, bytes); });
    }

    std::shared_ptr<const prepared> prepare(const cuda::operation_graph& g, cuda::precision, bool often = false) {
        if (capturing_ || rehearsing_) throw std::logic_error("a graph is prepared while work is captured or rehearsed");
        ++(often ? often_ : seldom_);
        std::shared_ptr<const prepared>& known = prepared_[cuda::key_of(g)];
        if (!known) known = std::make_shared<const prepared>(prepared{g});
        return known;
    }
    void run(const prepared& p, std::span<const cuda::argument> arguments, void* workspace) {
        check_inside(workspace, p.workspace(), "the workspace of " + p.graph.name);
        std::map<cuda::role, void*> addresses;
        for (const cuda::argument& a : arguments)
            if (!addresses.emplace(a.what, a.address).second) throw std::logic_error(p.graph.name + ": two addresses for one role");
        std::map<cuda::role, float> by_value; // which the device reads when it is given the graph
        for_each_stored(p.graph, [&](const cuda::tensor& t, bool) {
            const cuda::role r = static_cast<cuda::role>(t.id);
            if (addresses.count(r) == 0 || addresses.at(r) == nullptr)
                throw std::logic_error(p.graph.name + ": no address for " + std::string(cuda::name(r)));
            if (t.by_value) by_value[r] = *static_cast<const float*>(addresses.at(r));
        });
        check_addresses(p.graph, addresses);
        ++graphs_;
        enqueue(cuda::queue::compute, [this, graph = p.graph, addresses, by_value]() mutable {
            for (auto& [r, value] : by_value) addresses[r] = &value;
            check_addresses(graph, addresses);
            graph_interpreter(graph, addresses);
        });
    }
    template <class Body>
    void launch(const Body& body) {
        std::string name = cuda::kernel_name<Body>();
        if (loaded_.count(name) == 0) {
            if (rehearsing_) wanted_.insert(name);
            else if (capturing_) throw std::logic_error("a kernel is launched while work is captured that was not rehearsed: " + name);
            else late_.insert(name);
        }
        if (cuda::shape_of(body, 1).blocks == 0) return;
        ++bodies_;
        enqueue(cuda::queue::compute, [body] {
            if constexpr (cuda::reduction<Body>) cuda::kernel::reduce_on_host(body);
            else cuda::kernel::map_on_host(body);
        });
    }

    template <class Work>
    void rehearse(Work&& work) {
        const during now(rehearsing_);
        work();
        loaded_.merge(wanted_);
        wanted_.clear();
    }
    template <class Work>
    recording capture(Work&& work) {
        if (capturing_) throw std::logic_error("work is captured within captured work");
        captured_.clear();
        const during now(capturing_);
        work();
        return {std::make_shared<const std::vector<std::function<void()>>>(std::exchange(captured_, {}))};
    }
    void replay(const recording& once) {
        enqueue(cuda::queue::compute, [work = once.work] {
            for (const auto& one : *work) one();
        });
    }

    /// As many as `takes` says, by default none.
    double seconds(const recording& once) {
        forbid_while_capturing("the host waits");
        replay(once);
        synchronize();
        return takes ? takes(once) : 0.0;
    }
    std::function<double(const recording&)> takes;

    event make_event() { return {}; }
    void mark(event& e, cuda::queue q) {
        forbid_while_capturing("an event is marked");
        if (rehearsing_) return;
        const std::uint64_t number = ++e.c->marked;
        enqueue(q, [c = e.c, number] { c->come = std::max(c->come, number); });
    }
    void wait(cuda::queue q, event& e) {
        forbid_while_capturing("a queue waits");
        if (rehearsing_) return;
        enqueue(
            q, [] {}, [c = e.c, number = e.c->marked] { return c->come >= number; });
    }
    void wait(event& e) {
        forbid_while_capturing("the host waits");
        run_until([c = e.c, number = e.c->marked] { return c->come >= number; });
    }
    void synchronize() {
        forbid_while_capturing("the host waits");
        run_until([] { return false; });
    }

    static std::string describe() { return "the host in a device's place"; }
    std::size_t held() const {
        std::size_t bytes = 0;
        for (const auto& block : heap_->blocks) bytes += block.second;
        return bytes;
    }
    bool rehearsing() const { return rehearsing_; }
    bool capturing() const { return capturing_; }

    void allow(std::size_t bytes) { heap_->largest = bytes; }           ///< in one piece of memory, from now on
    std::size_t allocations() const { return heap_->allocations; }      ///< since the machine was made
    std::size_t graphs() const { return graphs_; }                      ///< that it was given, captured ones too
    std::size_t often() const { return often_; }                        ///< graphs that were prepared to run often, and those that were not
    std::size_t seldom() const { return seldom_; }
    std::size_t bodies() const { return bodies_; }                      ///< that it was given, captured and rehearsed ones too
    const std::set<std::string>& late_kernels() const { return late_; } ///< launched without having been rehearsed

private:
    struct heap {
        std::map<const std::byte*, std::size_t> blocks;
        std::size_t allocations = 0, largest = std::numeric_limits<std::size_t>::max();
        std::function<void()> finish;
    };
    struct item {
        std::function<void()> work;
        std::function<bool()> may_start; ///< or null
    };
    struct during {
        bool& flag;
        explicit during(bool& f) : flag{f} { flag = true; }
        during(const during&) = delete;
        during& operator=(const during&) = delete;
        ~during() { flag = false; }
    };

    void forbid_while_capturing(const char* what) const {
        if (capturing_) throw std::logic_error(std::string(what) + " while work is captured");
    }
    void enqueue(cuda::queue q, std::function<void()> work, std::function<bool()> may_start = nullptr) {
        if (rehearsing_) return;
        if (capturing_ && q == cuda::queue::compute) captured_.push_back(std::move(work));
        else queues_[static_cast<std::size_t>(q)].push_back({std::move(work), std::move(may_start)});
    }
    template <class Done>
    void run_until(Done done) {
        if (rehearsing_) return;
        const std::size_t a = static_cast<std::size_t>(first_), b = 1 - a;
        while (!done()) {
            const auto step = [&](std::deque<item>& q) {
                if (q.empty() || (q.front().may_start && !q.front().may_start())) return false;
                const item next = std::move(q.front());
                q.pop_front();
                next.work();
                return true;
            };
            if (step(queues_[a]) || step(queues_[b])) continue;
            if (queues_[a].empty() && queues_[b].empty()) return;
            throw std::logic_error("both queues wait for events that never come");
        }
    }

    const std::pair<const std::byte* const, std::size_t>* block_of(const void* address) const {
        const auto* const p = static_cast<const std::byte*>(address);
        auto after = heap_->blocks.upper_bound(p);
        if (after == heap_->blocks.begin()) return nullptr;
        --after;
        return p < after->first + after->second ? &*after : nullptr;
    }
    void check_inside(const void* address, std::size_t bytes, const std::string& what) const {
        const auto* const block = block_of(address);
        if (block == nullptr || static_cast<const std::byte*>(address) + bytes > block->first + block->second)
            throw std::logic_error(what + ": " + std::to_string(bytes) + " bytes that are not the device's");
    }
    void check_outside(const void* address, const char* what) const {
        if (block_of(address) != nullptr) throw std::logic_error(std::string(what) + " the device's memory as if it were the host's");
    }

    /// visit(tensor, written) of every tensor that is in memory, or given by value.
    template <class Visit>
    static void for_each_stored(const cuda::operation_graph& g, Visit visit) {
        for (const cuda::operation& o : g.operations)
            cuda::for_each_tensor(o, [&](const char* word, const cuda::tensor& t) {
                if (t.inside) return;
                const std::string w = word;
                bool written = false;
                if (const auto* c = std::get_if<cuda::convolution>(&o)) {
                    using gives = cuda::convolution::gives;
                    written = w == (c->what == gives::results ? "result" : c->what == gives::images ? "image" : "weight");
                }
                if (std::holds_alternative<cuda::pointwise>(o) || std::holds_alternative<cuda::norm_again>(o) ||
                    std::holds_alternative<cuda::channel_sums>(o))
                    written = w == "y";
                if (const auto* r = std::get_if<cuda::resample>(&o))
                    written = w == (r->backward ? "image" : "result") || (w == "index" && !r->backward);
                if (std::holds_alternative<cuda::norm_forward>(o))
                    written = w == "y" || w == "mean" || w == "deviation" || w.starts_with("next");
                if (std::holds_alternative<cuda::norm_backward>(o)) written = w.starts_with("gradient of");
                visit(t, written);
            });
    }
    void check_addresses(const cuda::operation_graph& g, const std::map<cuda::role, void*>& addresses) const {
        struct range {
            const std::byte *begin, *end;
            cuda::role what;
            std::ptrdiff_t pitch, width; ///< bytes from pixel to pixel, and of a pixel's channels

            /// Slices of the channels of the same images may lie between each other.
            bool overlaps(const range& o) const {
                if (begin >= o.end || o.begin >= end) return false;
                if (pitch != o.pitch || width == pitch || o.width == pitch) return true;
                const std::ptrdiff_t from = ((o.begin - begin) % pitch + pitch) % pitch;
                return from < width || from + o.width > pitch;
            }
        };
        std::vector<range> read, written;
        for_each_stored(g, [&](const cuda::tensor& t, bool writes) {
            if (t.by_value) return;
            const std::size_t bytes = static_cast<std::size_t>(t.extent_in_memory()) * cuda::size_of(t.type);
            const cuda::role r = static_cast<cuda::role>(t.id);
            const auto* const begin = static_cast<const std::byte*>(addresses.at(r));
            check_inside(begin, bytes, g.name + ": " + std::string(cuda::name(r)));
            if (reinterpret_cast<std::uintptr_t>(begin) % 16 != 0)
                throw std::logic_error(g.name + ": an address that is no multiple of 16");
            const std::ptrdiff_t element = static_cast<std::ptrdiff_t>(cuda::size_of(t.type));
            (writes ? written : read).push_back({begin, begin + bytes, r, t.stride[3] * element, t.size[1] * element});
        });
        for (const range& w : written)
            for (const auto* others : {&read, &written})
                for (const range& r : *others)
                    if (w.what != r.what && w.overlaps(r))
                        throw std::logic_error(g.name + ": writes " + std::string(cuda::name(w.what)) + " over " +
                                               std::string(cuda::name(r.what)));
    }

    cuda::queue first_;
    std::shared_ptr<heap> heap_;
    std::array<std::deque<item>, 2> queues_;
    std::vector<std::function<void()>> captured_;
    bool rehearsing_ = false, capturing_ = false;
    std::set<std::string> loaded_, wanted_, late_;
    std::map<std::string, std::shared_ptr<const prepared>> prepared_;
    std::size_t graphs_ = 0, bodies_ = 0, often_ = 0, seldom_ = 0;
};

static_assert(cuda::machine_like<host_machine>);

} // namespace umsrep::test
