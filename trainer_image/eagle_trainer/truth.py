"""What can be known of a made-up fleet at best: the exact probability of a failure, by the forward filter.

Wear is a hidden Markov chain, so the probability of every state given what was seen follows by Bayes' rule step by
step, and the probability that a failure begins within the horizon follows from the state. No model can rank rows
better in the long run, so these probabilities are what a trained model is measured against.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eagle_trainer.series import Flags, Floats

_CHUNK = 16_384


@dataclass(frozen=True, kw_only=True)
class Chain:
    """How wear goes on in one step, for W states of wear.

    `quiet` [W,W] is the probability to go from one state to another with nothing done to the machine; `failure` [W]
    and `service` [W] are those of the two ways to become as new, after which the state is 0. Rows sum to 1 in all.
    """

    quiet: Floats
    failure: Floats
    service: Floats

    @property
    def step(self) -> Floats:
        """[W,W]: the transition, whatever happens."""
        whole = self.quiet.copy()
        whole[:, 0] += self.failure + self.service
        return whole

    def resting(self) -> Floats:
        """[W]: the part of time that is spent in each state in the long run."""
        size = len(self.failure)
        equations = np.vstack([self.step.T - np.eye(size), np.ones(size)])
        return np.asarray(np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0])

    def failing_within(self, steps: int) -> Floats:
        """[W]: the probability of at least one failure in the coming `steps`, this one included, from each state."""
        certain = np.zeros(len(self.failure))
        survived = self.quiet.copy()
        survived[:, 0] += self.service
        for _ in range(steps):
            certain = self.failure + survived @ certain
        return certain


def wear_chain(dwell: npt.ArrayLike, *, service: float) -> Chain:
    """A chain that goes from state to state and fails at the end.

    `dwell` [W] is the mean number of steps in each state (at least 1), `service` the probability of a service in a
    step that does not end in a failure.
    """
    leave = 1.0 / np.maximum(np.asarray(dwell, np.float64), 1.0)
    quiet = np.diag(1.0 - leave) + np.diag(leave[:-1], 1)
    failure = np.append(np.zeros(len(leave) - 1), leave[-1])
    return Chain(quiet=quiet * (1.0 - service), failure=failure, service=quiet.sum(axis=1) * service)


def known_from_window(log_likelihood: Floats, chain: Chain, *, length: int, horizon: int) -> Floats:
    """[N]: P(failure within `horizon` steps | the newest `length` samples) at every step of one machine.

    `log_likelihood` [N,K,W] is that of the sensors' values at each step for each kind of machine and state of wear, 0
    throughout where nothing was measured. The kinds are equally frequent and cannot be seen. NaN for the first
    `length` - 1 steps, which have no whole window behind them.
    """
    steps, kinds, states = log_likelihood.shape
    answer = np.full(steps, np.nan)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=(1, 2), keepdims=True))
    prior = np.broadcast_to(chain.resting() / kinds, (kinds, states))
    soon = chain.failing_within(horizon)
    transition = chain.step
    for start in range(length - 1, steps, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, steps))
        belief = np.broadcast_to(prior, (len(rows), kinds, states))
        for back in range(length - 1, -1, -1):
            belief = belief * likelihood[rows - back]
            belief /= belief.sum(axis=(1, 2), keepdims=True)
            if back:
                belief = (belief.reshape(-1, states) @ transition).reshape(belief.shape)
        answer[rows] = belief.sum(axis=1) @ soon
    return answer


def known_from_everything(
    log_likelihood: Floats, errors: Flags, renewed: Flags, chain: Chain, *, error_chance: Floats, horizon: int
) -> Floats:
    """[N,A]: P(failure within `horizon` steps | all that was ever seen) at every step of A machines of known kinds.

    `log_likelihood` [N,A,W] is that of the sensors' values; `errors` and `renewed` [N,A] say whether there was an
    error, and a repair or service, between a step and the next; `error_chance` [W] is that of an error by state.
    """
    steps, machines, states = log_likelihood.shape
    answer = np.empty((steps, machines))
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=2, keepdims=True))
    soon = chain.failing_within(horizon)
    belief = np.broadcast_to(chain.resting(), (machines, states))
    as_new = np.eye(states)[0]
    for step in range(steps):
        belief = belief * likelihood[step]
        belief /= belief.sum(axis=1, keepdims=True)
        answer[step] = belief @ soon
        belief = belief * np.where(errors[step][:, None], error_chance, 1.0 - error_chance)
        belief = np.where(renewed[step][:, None], as_new, belief @ chain.quiet)
        belief = belief / belief.sum(axis=1, keepdims=True)
    return answer


def log_likelihoods(values: Floats, expected: Floats, deviation: float) -> Floats:
    """[...,W]: log likelihood, up to a constant, of Gaussian `values` [...,S] with each of the means [W,S].

    A missing value (NaN) says nothing.
    """
    apart = (values[..., None, :] - expected) / deviation
    return np.asarray(-0.5 * np.nansum(apart**2, axis=-1))
