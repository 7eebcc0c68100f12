"""Times of sounds made sharp by what each sound is like in the recordings themselves.

Each third of a sound has a Gaussian over cepstra, learned from where rough times say it is. The
likeliest times under the Gaussians teach better ones, and so on in turns: Viterbi training of
hidden Markov models of single sounds, as forced aligners begin with. Letters: N columns of 10 ms,
C cepstra, G Gaussians, K states of a chain.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from viseme_data.synthetic.phonemes import PAUSE, Phone, inventory

COLUMN_SEC = 0.01
"""Distance of columns."""

_THIRDS = 3
_ROUNDS = 8
# So many columns' worth a Gaussian is that of its kind of sound: rare sounds hardly have their own.
_TRUST = 30.0
# A machine pauses at commas where people do not.
_MIN_PAUSE_SEC = 0.06


class Spoken(NamedTuple):
    """Sound of some words, and about when each of their sounds is made."""

    cepstra_NC: np.ndarray
    phones: Sequence[Phone]
    """In seconds from the first column."""


class _Chain(NamedTuple):
    phones: list[Phone]
    cepstra_NC: np.ndarray
    gaussian_K: np.ndarray
    """Which Gaussian each state has."""


class _Gaussians(NamedTuple):
    whiten_CC: np.ndarray
    mean_GC: np.ndarray
    variance_GC: np.ndarray


def sharpened(spoken: Sequence[Spoken]) -> list[list[Phone]]:
    """Return the sounds of each at their likeliest times; stretches teach each other.

    Short pauses are left out, and each begins and ends with a pause, however short. One with more
    thirds of sounds than columns keeps its times.
    """
    numbers: dict[tuple[str, int], int] = {}
    chains = [_chain(one, numbers) for one in spoken]
    states = [_rough_states(chain) for chain in chains]
    kind_G = _kinds(numbers)
    for _ in range(_ROUNDS):
        gaussians = _estimate(chains, states, kind_G)
        states = [
            _likeliest(_log_likelihood(chain, gaussians)) if _fits(chain) else state_N
            for chain, state_N in zip(chains, states, strict=True)
        ]
    return [
        _timed(chain.phones, state_N) if _fits(chain) else list(one.phones)
        for one, chain, state_N in zip(spoken, chains, states, strict=True)
    ]


def _fits(chain: _Chain) -> bool:
    return len(chain.cepstra_NC) >= len(chain.gaussian_K)


def _chain(spoken: Spoken, numbers: dict[tuple[str, int], int]) -> _Chain:
    """Return the chain of states of some words; `numbers` learns those of new Gaussians."""
    end_sec = len(spoken.cepstra_NC) * COLUMN_SEC
    phones = [
        phone
        for phone in spoken.phones
        if phone.name != PAUSE or phone.end_sec - phone.start_sec >= _MIN_PAUSE_SEC
    ]
    if not phones or phones[0].name != PAUSE:
        phones.insert(0, Phone(PAUSE, 0.0, 0.0, 0.0))
    if len(phones) < 2 or phones[-1].name != PAUSE:
        phones.append(Phone(PAUSE, end_sec, end_sec, end_sec))
    states = [(phone.name, third) for phone in phones for third in range(_THIRDS)]
    gaussians = [numbers.setdefault(state, len(numbers)) for state in states]
    return _Chain(phones, spoken.cepstra_NC, np.array(gaussians))


def _rough_states(chain: _Chain) -> np.ndarray:
    """Return the state of each column by the times given, (N,)."""
    at_N = (np.arange(len(chain.cepstra_NC)) + 0.5) * COLUMN_SEC
    edges = [
        phone.start_sec + (phone.end_sec - phone.start_sec) * third / _THIRDS
        for phone in chain.phones
        for third in range(_THIRDS)
    ]
    return np.maximum(np.searchsorted(edges, at_N, side="right") - 1, 0)


def _kinds(numbers: dict[tuple[str, int], int]) -> np.ndarray:
    """Return a number for the kind of sound and the third of it that each Gaussian is of."""
    kinds: dict[tuple[str, int], int] = {}
    keys = [(inventory().kinds[name], third) for name, third in numbers]
    return np.array([kinds.setdefault(key, len(kinds)) for key in keys])


def _estimate(
    chains: Sequence[_Chain], states: Sequence[np.ndarray], kind_G: np.ndarray
) -> _Gaussians:
    """Return the Gaussians of columns whose states are known.

    Axes are those in which columns of one Gaussian vary alike and independently.
    """
    label_N = np.concatenate(
        [chain.gaussian_K[state_N] for chain, state_N in zip(chains, states, strict=True)]
    )
    cepstra_NC = np.concatenate([chain.cepstra_NC for chain in chains])
    count_G = np.bincount(label_N, minlength=len(kind_G))[:, None]
    sum_GC = np.zeros((len(kind_G), cepstra_NC.shape[1]))
    np.add.at(sum_GC, label_N, cepstra_NC)
    of_kind_GG = (kind_G[:, None] == kind_G).astype(float)
    usual_GC = of_kind_GG @ sum_GC / np.maximum(of_kind_GG @ count_G, 1)
    mean_GC = (sum_GC + _TRUST * usual_GC) / (count_G + _TRUST)
    rest_NC = cepstra_NC - mean_GC[label_N]
    within_CC = rest_NC.T @ rest_NC / len(rest_NC) + 1e-3 * np.eye(rest_NC.shape[1])
    whiten_CC = np.linalg.inv(np.linalg.cholesky(within_CC)).T
    square_GC = np.zeros_like(sum_GC)
    np.add.at(square_GC, label_N, (rest_NC @ whiten_CC) ** 2)
    return _Gaussians(
        whiten_CC,
        mean_GC @ whiten_CC,
        # Every axis has variance 1 over all.
        (square_GC + 2 * _TRUST) / (count_G + 2 * _TRUST),
    )


def _log_likelihood(chain: _Chain, gaussians: _Gaussians) -> np.ndarray:
    """Return that of every column in every state, (N, K), up to a constant."""
    used, place_K = np.unique(chain.gaussian_K, return_inverse=True)
    cepstra_NC = chain.cepstra_NC @ gaussians.whiten_CC
    columns = [
        ((cepstra_NC - gaussians.mean_GC[g]) ** 2 / gaussians.variance_GC[g]).sum(1)
        + np.log(gaussians.variance_GC[g]).sum()
        for g in used
    ]
    return -0.5 * np.stack(columns, axis=1)[:, place_K]


def _likeliest(log_NK: np.ndarray) -> np.ndarray:
    """Return the likeliest state of each column, (N,): from the first to the last, none skipped."""
    num, count = log_NK.shape
    best_K = np.full(count, -np.inf)
    best_K[0] = log_NK[0, 0]
    is_new_NK = np.zeros((num, count), bool)
    for n in range(1, num):
        before_K = np.concatenate([[-np.inf], best_K[:-1]])
        is_new_NK[n] = before_K > best_K
        best_K = np.maximum(before_K, best_K) + log_NK[n]
    state_N = np.empty(num, int)
    state = count - 1
    for n in range(num - 1, -1, -1):
        state_N[n] = state
        state -= is_new_NK[n, state]
    return state_N


def _timed(phones: Sequence[Phone], state_N: np.ndarray) -> list[Phone]:
    """Return sounds at the times of their states."""
    edges = np.searchsorted(state_N, np.arange(len(phones) + 1) * _THIRDS) * COLUMN_SEC
    timed = []
    for phone, start_sec, end_sec in zip(phones, edges[:-1], edges[1:], strict=True):
        # A closure keeps its part of its stop.
        length_sec = phone.end_sec - phone.start_sec
        closed = (phone.release_sec - phone.start_sec) / length_sec if length_sec > 0 else 1.0
        release_sec = start_sec + closed * (end_sec - start_sec)
        timed.append(
            phone._replace(
                start_sec=float(start_sec), end_sec=float(end_sec), release_sec=float(release_sec)
            )
        )
    return timed
