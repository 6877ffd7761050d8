// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/backend/cpu/families.hpp>
#include <umsrep/backend/describe.hpp>
#include <umsrep/backend/executor.hpp>
#include <umsrep/core/units.hpp>
#include <umsrep/network/describe.hpp>
#include <umsrep/network/facts.hpp>

namespace umsrep {

/// How weights are drawn. Biases start at 0, norms at weight 1 and bias 0, running statistics at mean 0 and variance 1.
enum class initialization : std::uint8_t {
    he,     ///< normal, variance 2 / fan_in. He et al., 2015
    xavier, ///< normal, variance 2 / (fan_in + fan_out). Glorot and Bengio, 2010
};

/// A tensor of a model by its name, as in PyTorch's state_dict: "encoder.e1.0.0.weight".
template <class T>
struct named_tensor {
    std::string name;
    std::vector<std::size_t> shape;
    std::span<T> values;
    bool statistic = false; ///< running mean or variance: not trained
    int owner = 0;          ///< stage or head, as node::owner
};

/// What `predict` returns: one batch of outputs per head.
template <class Net>
struct prediction {
    std::array<xt::xtensor<float, 4>, static_cast<std::size_t>(network_traits<Net>::head_count)> outputs;

    /// The head's output behind its output activation, N, C, H, W. A name that is no head's does not compile.
    template <fixed_string Name>
    const xt::xtensor<float, 4>& get() const& {
        return outputs[static_cast<std::size_t>(detail::index_of_head<Net, Name>())];
    }
    /// By value: `m.predict(images).get<"lungs">()` outlives its prediction.
    template <fixed_string Name>
    xt::xtensor<float, 4> get() && {
        return std::move(outputs[static_cast<std::size_t>(detail::index_of_head<Net, Name>())]);
    }
};

/// The families of operations that a network has, for the type of its backend.
template <class Net>
inline constexpr cpu_families network_families = [] {
    if constexpr (detail::misfit_of<Net>.kind == misfit_kind::none) return families_of(detail::graph_of<Net>.nodes);
    else return cpu_families{}; // the model says what is wrong, once
}();

namespace detail {

template <class Net, class Backend>
inline constexpr bool has_families = [] {
    if constexpr (requires { Backend::families; }) return Backend::families.covers(network_families<Net>);
    else return true;
}();

/// Where a backend computes on a device: what a model has there, see on_cuda.
template <class Backend>
inline constexpr bool has_session = requires { typename Backend::session; };
template <class Backend>
struct session_of {
    struct type {};
};
template <class Backend>
    requires has_session<Backend>
struct session_of<Backend> {
    using type = typename Backend::session;
};

} // namespace detail

/// The backend of models that name none: the fast one for processors, with the kernels that the network needs.
template <class Net>
using default_backend = cpu<winograd, network_families<Net>>;

/// A network with weights on a backend: owns the parameters and running statistics, and predicts. The backend is the fast one for
/// processors unless another is named, such as `reference<double>`.
///
///     model<net> m{seed{1}, batch{8}, threads{2}};
///     auto lungs = m.predict(images).get<"lungs">();
///
/// For a network with a dynamic image, give the size: `model<net> m{seed{1}, extent{480, 512}}`; misfits that only that size shows throw
/// shape_mismatch. Same seed, same bits, whatever the number of threads.
template <class Net, class Backend = default_backend<Net>>
class model {
    static_assert(fits<Net>);
    static constexpr bool has_families = detail::has_families<Net, Backend>; // named, or compilers would print both types
    static_assert(has_families, "umsrep: the network needs operations that this backend lacks; name cpu<> or none");
    using traits = network_traits<Net>;

public:
    using network_type = Net;
    using backend = Backend;
    using scalar = typename Backend::scalar;
    static constexpr int head_count = traits::head_count;

    /// Draws the weights. `capacity` is how many images `predict` computes together.
    explicit model(seed s, batch capacity = batch{1}, threads t = threads{1}, initialization how = initialization::he)
        requires(!traits::is_dynamic)
        : model(s, traits::declared_image, capacity, t, how, 0) {}

    model(seed s, extent image, batch capacity = batch{1}, threads t = threads{1}, initialization how = initialization::he)
        requires(traits::is_dynamic)
        : model(s, sized(image), capacity, t, how, 0) {}

    /// The size of a dynamic network has to be said.
    template <class... Other>
    explicit model(seed, Other...)
        requires(traits::is_dynamic && (sizeof...(Other) == 0 || (... && !std::is_convertible_v<Other, extent>)))
    {
        static_assert(!traits::is_dynamic, "umsrep: this network's image size is dynamic: model<net> m{seed{1}, extent{height, width}}");
    }

    /// Takes the weights and statistics of a model of the same network, whatever the size of its images.
    void assign(const model& other) {
        if (other.parameters().size() != parameters().size())
            throw shape_mismatch("model::assign", std::to_string(parameters().size()) + " parameters",
                                 std::to_string(other.parameters().size()));
        std::copy(other.parameters().begin(), other.parameters().end(), parameters().begin());
        if (other.has_task_statistics()) part_statistics();
        for (int set = 0; set < statistic_sets(); ++set) // one for all goes into all
            std::ranges::copy(other.statistics_of(set), statistics_of(set).begin());
    }

    /// Another model of the same size with the same weights and statistics.
    model clone() const {
        model copy(body_->start, image(), batch{capacity()}, threads{thread_count()}, initialization::he, 0);
        copy.assign(*this);
        for (int h = 0; h < head_count; ++h)
            if (head_count > 1 && body_->inference.plan().what.heads == std::uint64_t{1} << h) copy.predict_only(h);
        return copy;
    }

    const graph& network() const { return body_->net; }
    shape image() const { return body_->net.nodes[0].out; }
    thread_pool& pool() { return body_->pool; }
    int thread_count() const { return body_->pool.threads(); }
    /// What computes it: "cpu, avx512; 2 threads".
    std::string computed_by() const {
        return describe_backend<Backend>() + "; " + std::to_string(thread_count()) + (thread_count() == 1 ? " thread" : " threads");
    }
    seed initial_seed() const { return body_->start; }
    int capacity() const { return body_->inference.capacity(); }

    /// What may be written through these is seen by the next `predict`; where a backend keeps copies on a device, ask again before you write
    /// after that. What was trained on a device is here when this returns.
    std::span<scalar> parameters() { return body_->changing().parameters.span(); }
    std::span<const scalar> parameters() const { return std::as_const(body_->fetched().parameters).span(); }
    std::span<scalar> statistics() { return body_->changing().statistics.span(); }
    std::span<const scalar> statistics() const { return std::as_const(body_->fetched().statistics).span(); }

    /// The device's side of this model, with the parameters and statistics that the model has.
    auto& on_device()
        requires(detail::has_session<Backend>)
    {
        for (int set = 0; set < statistic_sets(); ++set) body_->session->take(arrays_of(set));
        return *body_->session;
    }

    /// Gives each task running statistics of its own, copies of those that all have now, for norm_statistics::per_task. From then on
    /// `predict` runs the encoder once for each head, and its statistics are called "lungs.encoder.e1.1.running_mean". For good.
    void part_statistics() {
        if (has_task_statistics()) return;
        const aligned_array<scalar> common = std::move(body_->changing().statistics);
        body_->statistics = aligned_array<scalar>(static_cast<std::size_t>(head_count) * common.size());
        const auto memory = std::make_shared<executor_memory<scalar>>();
        for (int h = 0; h < head_count; ++h) {
            std::copy_n(common.data(), common.size(), body_->statistics.data() + static_cast<std::size_t>(h) * common.size());
            mode m = infer::value(network().stage_count());
            m.heads = std::uint64_t{1} << h;
            body_->inference_of_task.push_back(body_->executor_of(m, capacity(), memory));
        }
    }
    bool has_task_statistics() const { return !body_->inference_of_task.empty(); }
    /// Those that a head, and the encoder where it is computed for that head, normalises by.
    std::span<scalar> statistics_of(int head) { return set_of<scalar>(*this, head); }
    std::span<const scalar> statistics_of(int head) const { return set_of<const scalar>(*this, head); }

    /// Every tensor with its name and shape, in the order of the network.
    std::vector<named_tensor<scalar>> tensors() { return list<scalar>(*this); }
    std::vector<named_tensor<const scalar>> tensors() const { return list<const scalar>(*this); }

    /// From now on `predict` computes this head alone; other heads' outputs stay empty. For models that serve one task.
    void predict_only(int head) {
        mode m = infer::value(network().stage_count());
        m.heads = std::uint64_t{1} << head;
        body_->inference = body_->executor_of(m, capacity());
    }
    bool predicts(int head) const { return body_->inference.plan().what.has_head(head); }

    /// Draws all weights anew.
    void initialize(seed s, initialization how = initialization::he) {
        body_->start = s;
        const auto draw_statistics = [&](const node& n, std::span<scalar> set) {
            std::fill_n(set.data() + n.running_mean.offset, n.running_mean.size, scalar{0});
            std::fill_n(set.data() + n.running_var.offset, n.running_var.size, scalar{1});
        };
        std::fill(parameters().begin(), parameters().end(), scalar{0});
        for (const node& n : network().nodes) {
            const bool norm = n.kind == op::batch_norm || n.kind == op::group_norm;
            if (norm && n.weight) std::fill_n(parameters().data() + n.weight.offset, n.weight.size, scalar{1});
            for (int set = 0; n.running_mean && set < statistic_sets(); ++set) draw_statistics(n, statistics_of(set));
            if (norm || !n.weight) continue;
            random_stream stream(s, network().path(n) + ".weight");
            const double deviation = standard_deviation(n, how);
            for (std::ptrdiff_t i = 0; i < n.weight.size; ++i)
                parameters()[static_cast<std::size_t>(n.weight.offset + i)] =
                    static_cast<scalar>(deviation * static_cast<double>(stream.normal()));
        }
    }

    /// Predictions for images (N, C, H, W), any N; every head's output, the encoder runs once for all of them.
    /// Throws shape_mismatch when the images are not the network's.
    prediction<Net> predict(const xt::xtensor<float, 4>& images) {
        prediction<Net> result;
        const std::size_t n = images.shape()[0];
        for (std::size_t h = 0; h < result.outputs.size(); ++h) {
            if (!predicts(static_cast<int>(h))) continue;
            const shape s = network()[network().heads[h].output].out;
            result.outputs[h] = xt::xtensor<float, 4>::from_shape(std::array{
                n, static_cast<std::size_t>(s.c), static_cast<std::size_t>(s.h), static_cast<std::size_t>(s.w)});
        }
        predict_into(images, result);
        return result;
    }
    /// One image, (C, H, W).
    prediction<Net> predict(const xt::xtensor<float, 3>& one) {
        auto images = xt::xtensor<float, 4>::from_shape(std::array{std::size_t{1}, one.shape()[0], one.shape()[1], one.shape()[2]});
        std::copy(one.data(), one.data() + one.size(), images.data());
        return predict(images);
    }

    /// As predict, into a prediction of an earlier call with as many images; allocates nothing.
    void predict_into(const xt::xtensor<float, 4>& images, prediction<Net>& result) {
        check_images(images);
        const int total = static_cast<int>(images.shape()[0]);
        for (std::size_t h = 0; h < result.outputs.size(); ++h) {
            if (!predicts(static_cast<int>(h))) continue;
            const head_info& head = network().heads[h];
            const std::size_t wanted = images.shape()[0] * static_cast<std::size_t>(network()[head.output].out.size());
            if (result.outputs[h].shape()[0] != images.shape()[0] || result.outputs[h].size() != wanted)
                throw shape_mismatch(
                    "predict_into: head '" + std::string(head.name) + "'",
                    std::to_string(total) + " samples, " + std::to_string(wanted) + " values",
                    std::to_string(result.outputs[h].shape()[0]) + " samples, " + std::to_string(result.outputs[h].size()) + " values");
        }
        for (int first = 0; first < total; first += capacity()) {
            const int n = std::min(capacity(), total - first);
            const float* const some = images.data() + first * image().size();
            const auto take = [&](int h, tensor_view<scalar> out) {
                std::transform(out.begin(), out.end(),
                               result.outputs[static_cast<std::size_t>(h)].data() + first * out.s.size(),
                               [](scalar v) { return static_cast<float>(v); });
            };
            if (!has_task_statistics()) run(body_->inference, some, n, take);
            for (int h = 0; h < head_count && has_task_statistics(); ++h)
                if (predicts(h)) run(body_->inference_of_task[static_cast<std::size_t>(h)], some, n, take, h);
        }
    }

    /// Runs an executor of this model's graph in inference on `n` images; `on_head(h, result)`. `task`: by whose statistics.
    template <class OnHead>
    void run(executor<Backend>& e, const float* images, int n, OnHead on_head, int task = 0) {
        e.set_input(n, images);
        run(e, n, on_head, task);
    }
    /// The same on images, or values, that the executor has been given.
    template <class OnHead>
    void run(executor<Backend>& e, int n, OnHead on_head, int task = 0) {
        e.run(n, arrays_of(task), seed{0}, 0,
              [&](int h, tensor_view<scalar> result, tensor_view<scalar>) { on_head(h, result); });
    }

    void check_images(const xt::xtensor<float, 4>& images) const {
        const auto& s = images.shape();
        const shape wanted = image();
        if (static_cast<int>(s[1]) == wanted.c && static_cast<int>(s[2]) == wanted.h && static_cast<int>(s[3]) == wanted.w) return;
        const auto text = [](auto c, auto h, auto w) {
            return "(N, " + std::to_string(c) + ", " + std::to_string(h) + ", " + std::to_string(w) + ")";
        };
        throw shape_mismatch("images", text(wanted.c, wanted.h, wanted.w), text(s[1], s[2], s[3]));
    }

private:
    /// Lives at one address, so that a model can be moved.
    struct state {
        state(shape image, batch capacity, threads t, seed s)
            : net{detail::graph_for<Net>(image)}, pool{t.value}, start{s},
              parameters{static_cast<std::size_t>(checked(net).parameters)},
              statistics{static_cast<std::size_t>(net.statistics)},
              session{make_session()},
              inference{executor_of(infer::value(net.stage_count()), capacity.value)} {}

        static const graph& checked(const graph& g) {
            if (!g.ok()) throw shape_mismatch(to_string(g.error));
            return g;
        }

        auto make_session() {
            using type = typename detail::session_of<Backend>::type;
            if constexpr (detail::has_session<Backend>) return std::make_shared<type>(net);
            else return std::shared_ptr<type>{};
        }
        /// `memory`: that it shares with others, where the session is not what they share.
        template <class... Memory>
        executor<Backend> executor_of(const mode& m, int capacity, const Memory&... memory) {
            if constexpr (detail::has_session<Backend>) return executor<Backend>(net, m, capacity, pool, session);
            else return executor<Backend>(net, m, capacity, pool, memory...);
        }
        /// With what was trained on a device.
        state& fetched() {
            if constexpr (detail::has_session<Backend>) session->give(parameters.span(), statistics.span());
            return *this;
        }
        /// The same, about to be written.
        state& changing() {
            ++version;
            return fetched();
        }

        graph net;
        thread_pool pool;
        seed start;
        aligned_array<scalar> parameters, statistics;
        std::uint64_t version = 1; ///< of the two
        std::shared_ptr<typename detail::session_of<Backend>::type> session;
        executor<Backend> inference;
        std::vector<executor<Backend>> inference_of_task{}; ///< where each has statistics of its own; otherwise none
    };

    model_arrays<scalar> arrays_of(int task) {
        const int set = has_task_statistics() ? task : 0;
        return {body_->parameters.data(), body_->statistics.data() + set * network().statistics, nullptr, 0, body_->version, set};
    }
    int statistic_sets() const { return has_task_statistics() ? head_count : 1; }
    template <class T, class Self>
    static std::span<T> set_of(Self& self, int head) {
        const auto size = static_cast<std::size_t>(self.network().statistics);
        return self.statistics().subspan(self.has_task_statistics() ? static_cast<std::size_t>(head) * size : 0, size);
    }

    model(seed s, shape image, batch capacity, threads t, initialization how, int)
        : body_{std::make_unique<state>(image, capacity, t, s)} {
        initialize(s, how);
    }

    static shape sized(extent given) {
        constexpr shape declared = traits::declared_image;
        const auto check = [](const char* what, int fixed, int value) {
            if ((fixed != dynamic && fixed != value) || value < 1)
                throw shape_mismatch(std::string("image ") + what, fixed == dynamic ? "at least 1" : std::to_string(fixed),
                                     std::to_string(value));
        };
        check("height", declared.h, given.h);
        check("width", declared.w, given.w);
        return {declared.c, given.h, given.w};
    }

    static double standard_deviation(const node& n, initialization how) {
        const double window = static_cast<double>(n.a.kernel.h) * n.a.kernel.w;
        double fan_in = 0, fan_out = 0;
        if (n.kind == op::linear) {
            fan_in = static_cast<double>(n.in.size());
            fan_out = n.out.c;
        } else {
            fan_in = window * n.in.c / n.a.groups;
            fan_out = window * n.out.c / n.a.groups;
            // Each output of a transposed convolution is reached from only one in stride positions of the window.
            if (n.kind == op::conv_transpose) fan_in /= static_cast<double>(n.a.stride.h) * n.a.stride.w;
        }
        return std::sqrt(how == initialization::he ? 2 / fan_in : 2 / (fan_in + fan_out));
    }

    template <class T, class Self>
    static std::vector<named_tensor<T>> list(Self& self) {
        std::vector<named_tensor<T>> result;
        const int stages = self.network().stage_count();
        const auto add = [&](const node& n, slot s, const char* suffix, const std::vector<std::size_t>& dims, bool statistic) {
            if (!s) return;
            const auto at = [&](std::span<T> all) {
                return all.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.size));
            };
            const std::string name = self.network().path(n) + suffix;
            if (!statistic) result.push_back({name, dims, at(self.parameters()), false, n.owner});
            else if (n.owner >= stages || !self.has_task_statistics())
                result.push_back({name, dims, at(self.statistics_of(std::max(n.owner - stages, 0))), true, n.owner});
            else
                for (int h = 0; h < head_count; ++h)
                    result.push_back({std::string(self.network().heads[static_cast<std::size_t>(h)].name) + "." + name, dims,
                                      at(self.statistics_of(h)), true, stages + h});
        };
        const auto size = [](auto v) { return static_cast<std::size_t>(v); };
        for (const node& n : self.network().nodes) {
            const std::size_t kh = size(n.a.kernel.h), kw = size(n.a.kernel.w), g = size(n.a.groups);
            std::vector<std::size_t> dims{size(n.weight.size)};
            if (n.kind == op::conv) dims = {size(n.out.c), size(n.in.c) / g, kh, kw};
            if (n.kind == op::conv_transpose) dims = {size(n.in.c), size(n.out.c) / g, kh, kw};
            if (n.kind == op::linear) dims = {size(n.out.c), size(n.in.size())};
            add(n, n.weight, ".weight", dims, false);
            add(n, n.bias, ".bias", {size(n.bias.size)}, false);
            add(n, n.running_mean, ".running_mean", {size(n.running_mean.size)}, true);
            add(n, n.running_var, ".running_var", {size(n.running_var.size)}, true);
        }
        return result;
    }

    std::unique_ptr<state> body_;
};

/// The table of a model's network (see network/describe.hpp), and below it what computes it.
template <class Net, class Backend>
std::string describe(const model<Net, Backend>& m) {
    return describe(m.network()) + "\ncomputed by " + m.computed_by() + "\n";
}

} // namespace umsrep
