// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <umsrep/train/balance/inner_products.hpp>

/// How the losses of several tasks are balanced against each other in a joint step. docs/design/training.md compares the policies.
namespace umsrep::balance {

/// A number for each task, in the order of the heads. Of losses, NaN: the task takes no part in the step, for lack of a label.
using per_task = std::span<const double>;

/// Gives each task a weight, from losses alone: a step costs what it costs without.
///
/// `weight(task, loss)` is asked for as soon as the loss of a task is known and multiplies its gradient, in what is shared and in its head.
/// `common(losses)`, if there is one, is asked for when all losses are known and multiplies them all.
template <class P>
concept weighting = requires(P p, std::size_t task, double loss) {
    { p.weight(task, loss) } -> std::same_as<double>;
};

/// Needs the gradients of each task by itself, and makes one of them for what is shared: `combine(losses, products, coefficients)` sets the
/// coefficient of each task's gradient. Heads follow their own loss. A step runs the encoder once for each task.
template <class P>
concept combining = requires(P p, per_task losses, const inner_products& products, std::span<double> coefficients) {
    p.combine(losses, products, coefficients);
};

/// Learns from what a step did to the losses of its batch: `observe(before, after)`. A step runs forward twice.
template <class P>
concept observing = requires(P p, per_task before, per_task after) { p.observe(before, after); };

/// A policy has a name and any of the above. Further members, all optional:
///  - `start(tasks)`: called once, before anything else, to make its state;
///  - `begin(present)`: a step begins; `present[i] == 0`, task i takes no part;
///  - `learn(losses)`: the step is done;
///  - `end_epoch(losses)`: their means over the epoch;
///  - `state()`: all that must be kept for a run to go on with the same bits, as one span of double;
///  - `options()`: what must be the same then, as text.
/// None of them but `start` may allocate.
template <class P>
concept policy = std::copyable<P> && requires {
    { P::name } -> std::convertible_to<std::string_view>;
};

/// Holds a policy of any type, with its state. Empty: losses are summed up as they are.
class any_policy {
public:
    any_policy() = default;
    template <class P>
        requires(!std::same_as<P, any_policy>) && policy<P>
    any_policy(P p) : body_{std::make_unique<body<P>>(std::move(p))} {}
    any_policy(const any_policy& other) : body_{other.body_ ? other.body_->clone() : nullptr} {}
    any_policy(any_policy&&) noexcept = default;
    any_policy& operator=(any_policy other) noexcept {
        body_ = std::move(other.body_);
        return *this;
    }
    ~any_policy() = default;

    explicit operator bool() const { return body_ != nullptr; }
    /// Name and options; "none" when empty.
    std::string text() const { return body_ ? body_->text() : "none"; }
    bool combines() const { return body_ && body_->combines(); }
    bool observes() const { return body_ && body_->observes(); }

    void start(std::size_t tasks) { if (body_) body_->start(tasks); }
    void begin(std::span<const char> present) { if (body_) body_->begin(present); }
    double weight(std::size_t task, double loss) { return body_ ? body_->weight(task, loss) : 1; }
    double common(per_task losses) { return body_ ? body_->common(losses) : 1; }
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        body_->combine(losses, products, coefficients);
    }
    void learn(per_task losses) { if (body_) body_->learn(losses); }
    void observe(per_task before, per_task after) { if (body_) body_->observe(before, after); }
    void end_epoch(per_task losses) { if (body_) body_->end_epoch(losses); }
    std::span<double> state() { return body_ ? body_->state() : std::span<double>{}; }

private:
    struct interface {
        virtual ~interface() = default;
        virtual std::unique_ptr<interface> clone() const = 0;
        virtual std::string text() const = 0;
        virtual bool combines() const = 0;
        virtual bool observes() const = 0;
        virtual void start(std::size_t tasks) = 0;
        virtual void begin(std::span<const char> present) = 0;
        virtual double weight(std::size_t task, double loss) = 0;
        virtual double common(per_task losses) = 0;
        virtual void combine(per_task losses, const inner_products& products, std::span<double> coefficients) = 0;
        virtual void learn(per_task losses) = 0;
        virtual void observe(per_task before, per_task after) = 0;
        virtual void end_epoch(per_task losses) = 0;
        virtual std::span<double> state() = 0;
    };

    template <class P>
    struct body final : interface {
        explicit body(P policy_to_hold) : p{std::move(policy_to_hold)} {}
        std::unique_ptr<interface> clone() const override { return std::make_unique<body>(p); }
        std::string text() const override {
            std::string text{P::name};
            if constexpr (requires { p.options(); }) text += " " + p.options();
            return text;
        }
        bool combines() const override { return combining<P>; }
        bool observes() const override { return observing<P>; }
        void start(std::size_t tasks) override {
            if constexpr (requires { p.start(tasks); }) p.start(tasks);
        }
        void begin(std::span<const char> present) override {
            if constexpr (requires { p.begin(present); }) p.begin(present);
        }
        double weight(std::size_t task, double loss) override {
            if constexpr (weighting<P>) return p.weight(task, loss);
            else return 1;
        }
        double common(per_task losses) override {
            if constexpr (requires { p.common(losses); }) return p.common(losses);
            else return 1;
        }
        void combine(per_task losses, const inner_products& products, std::span<double> coefficients) override {
            if constexpr (combining<P>) p.combine(losses, products, coefficients);
        }
        void learn(per_task losses) override {
            if constexpr (requires { p.learn(losses); }) p.learn(losses);
        }
        void observe(per_task before, per_task after) override {
            if constexpr (observing<P>) p.observe(before, after);
        }
        void end_epoch(per_task losses) override {
            if constexpr (requires { p.end_epoch(losses); }) p.end_epoch(losses);
        }
        std::span<double> state() override {
            if constexpr (requires { p.state(); }) return p.state();
            else return {};
        }
        P p;
    };

    std::unique_ptr<interface> body_;
};

} // namespace umsrep::balance
