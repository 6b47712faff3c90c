"""scGNN: autoencoders of cells that take turns with a graph of cells, and one that is weighted by this graph."""

from __future__ import annotations

import copy

import numpy as np
import scipy.sparse as sp

from exval.methods.base import Card
from exval.methods.imputation.deep.base import DeepImputer, activations, as_array, linear_arrays
from exval.methods.imputation.deep.groups import louvain, merged, neighbour_graph
from exval.methods.imputation.deep.loop import Plan, Player, Rows, train


class ScGnn(DeepImputer):
    """Feature autoencoder -> pruned graph of cells -> graph autoencoder -> clusters -> cluster autoencoders, repeated.

    The last step trains a fresh autoencoder on the measured values, in which a cell counts by its place in the graph;
    its output replaces every value.

    Parameters
    ----------
    hidden, bottleneck
        Widths of the autoencoders: genes - hidden - bottleneck - hidden - genes.
    epochs, em_epochs, cluster_epochs, impute_epochs, graph_epochs
        Passes of the first feature autoencoder, of that of each round, of the cluster autoencoders, of the last
        autoencoder, and steps of the graph autoencoder.
    rounds
        At most so many rounds; they end when two clusterings agree (adjusted Rand index above 0.99).
    k
        Neighbours in the graph; those further than mean + sd of a cell's k distances are cut.
    batch, lr
        Cells a step, learning rate of Adam.
    misfit
        Weight of the squared errors of feature and cluster autoencoders against ``penalty`` (0.1 as published).
    graph_weight, cluster_weight
        Weights of the last autoencoder's squared errors: ``graph_weight`` times the number of a cell's neighbours,
        plus ``cluster_weight``.
    penalty
        Weight of the sum of absolute weights, against sums over all cells.
    seed
        Of weights, order and clusters.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    cluster_n_
        Cluster of each cell after the last round.
    history_
        Losses of the last autoencoder by epoch.

    References
    ----------
    Wang et al. 2021, Nat. Commun. 12:1882.

    Examples
    --------
    >>> from exval.data.source import open_source
    >>> from exval.datasets import baron
    >>> cells = open_source(baron()[:40, :200].copy()).to_adata()
    >>> ScGnn(**{**ScGnn.presets["tiny"], "epochs": 2}).fit(cells).impute(cells, ["A1CF"]).values_nq.shape
    (40, 1)
    """

    name = "scgnn"
    card = Card(
        category="graph network",
        sees=("expression",),
        space_in="log1p(CP10k)",
        space_out="log1p(CP10k)",
        cost="(epochs + rounds x epochs) x cells x genes, and one dense matrix of cells x genes while it trains; heavy",
        reference="Wang et al. 2021, Nat. Commun. 12:1882",
        summary="Autoencoders and a graph of cells in turn; the last one, weighted by the graph, replaces every value.",
        departures=(
            "Without the regulatory signal (LTMG); the graph autoencoder is the plain, not the variational one, and "
            "learns from the edges and as many pairs drawn at each step, not from all pairs; each cluster continues "
            "from the feature autoencoder; the last autoencoder reads the measured values, as the text of the "
            "publication says (the released program feeds it the first reconstruction); minibatches; output biases "
            "start at the gene means. As published, the graph term of the last loss, summed, weights a cell by its "
            "number of neighbours and nothing else. The clusters never see labels."
        ),
    )
    heavy = True
    presets = {
        "paper": {
            "epochs": 500, "em_epochs": 200, "cluster_epochs": 200, "impute_epochs": 200, "graph_epochs": 200,
            "rounds": 10, "batch": 12_800,
        },
        "cpu": {},
        "tiny": {
            "hidden": 64, "bottleneck": 16, "epochs": 30, "em_epochs": 5, "cluster_epochs": 5, "impute_epochs": 40,
            "graph_epochs": 20, "rounds": 1, "batch": 16,
        },
    }  # fmt: skip

    def __init__(
        self,
        hidden: int = 512,
        bottleneck: int = 128,
        epochs: int = 30,
        em_epochs: int = 8,
        cluster_epochs: int = 8,
        impute_epochs: int = 20,
        graph_epochs: int = 100,
        rounds: int = 2,
        k: int = 10,
        batch: int = 128,
        lr: float = 1e-3,
        misfit: float = 0.1,
        graph_weight: float = 0.3,
        cluster_weight: float = 0.1,
        penalty: float = 1.0,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.hidden = hidden
        self.bottleneck = bottleneck
        self.epochs = epochs
        self.em_epochs = em_epochs
        self.cluster_epochs = cluster_epochs
        self.impute_epochs = impute_epochs
        self.graph_epochs = graph_epochs
        self.rounds = rounds
        self.k = k
        self.batch = batch
        self.lr = lr
        self.misfit = misfit
        self.graph_weight = graph_weight
        self.cluster_weight = cluster_weight
        self.penalty = penalty
        self.seed = seed
        self.device = device

    def _learn(self, cells, device):
        import torch
        from sklearn.metrics import adjusted_rand_score

        n = cells.n
        rows = Rows(cells.log_ng, device)
        mean_g = np.asarray(cells.log_ng.mean(0, dtype=np.float64)).ravel()
        feature = self._autoencoder(mean_g, device)
        flat_n = np.full(n, self.misfit, np.float32)
        self._fit(feature, rows.dense, np.arange(n), flat_n, self.epochs, "features")
        recon_ng = activations(lambda part: feature(rows.dense(part)), n)
        before_n, shown = None, rows.dense
        for turn in range(self.rounds):
            state_nh = activations(lambda part, shown=shown: feature[:3](shown(part)), n)
            graph = pruned_graph(state_nh, self.k)
            self.cluster_n_ = self._clusters(state_nh, graph, device)
            if before_n is not None and adjusted_rand_score(before_n, self.cluster_n_) > 0.99:
                break
            before_n = self.cluster_n_

            def shown(part, recon_ng=recon_ng):
                return torch.from_numpy(recon_ng[part]).to(device)

            better_ng = np.empty_like(recon_ng)
            for cluster in range(self.cluster_n_.max() + 1):
                mine = np.flatnonzero(self.cluster_n_ == cluster)
                own = copy.deepcopy(feature)
                self._fit(own, shown, mine, flat_n, self.cluster_epochs, f"cluster {cluster + 1}")
                better_ng[mine] = activations(lambda part, own=own, mine=mine: own(shown(mine[part])), len(mine))
            recon_ng[...] = better_ng
            self._fit(feature, shown, np.arange(n), flat_n, self.em_epochs, f"round {turn + 1}")
            recon_ng[...] = activations(lambda part: feature(shown(part)), n)
        del recon_ng

        degree_n = np.asarray((graph > 0).sum(1)).ravel() if self.rounds else np.zeros(n)
        weight_n = (self.graph_weight * degree_n + self.cluster_weight).astype(np.float32)
        last = self._autoencoder(mean_g, device)
        self.history_ = self._fit(last, rows.dense, np.arange(n), weight_n, self.impute_epochs, "imputation")
        self.weights_ = linear_arrays(last[6], "out")
        self._hidden_nh = activations(lambda part: last[:6](rows.dense(part)), n)

    def _autoencoder(self, mean_g: np.ndarray, device):
        """genes - hidden - bottleneck - hidden - genes, with ReLU after each; ``[:3]`` is the encoder."""
        import torch
        from torch import nn

        g, wide, narrow = len(mean_g), self.hidden, self.bottleneck
        net = nn.Sequential(
            nn.Linear(g, wide), nn.ReLU(), nn.Linear(wide, narrow), nn.ReLU(),
            nn.Linear(narrow, wide), nn.ReLU(), nn.Linear(wide, g), nn.ReLU(),
        )  # fmt: skip
        with torch.no_grad():
            net[6].bias.copy_(torch.tensor(mean_g))
        return net.to(device)

    def _fit(self, net, shown, of: np.ndarray, weight_n: np.ndarray, epochs: int, what: str):
        """Train ``net`` to reproduce ``shown(rows)`` of the rows ``of``."""
        import torch

        weights = torch.from_numpy(weight_n).to(next(net.parameters()).device)

        def loss(part):
            x = shown(of[part])
            misfit = ((net(x) - x).square().sum(1) * weights[of[part]]).mean()
            return misfit + self.penalty / len(weight_n) * sum(w.abs().sum() for w in net.parameters())

        player = Player(f"autoencoder ({what})", net, loss)
        return train(player, len(of), Plan(epochs, self.batch, self.lr), seed=self.seed, title="Training scgnn")

    def _clusters(self, state_nh: np.ndarray, graph: sp.csr_matrix, device) -> np.ndarray:
        """As many as Louvain finds in the graph, by k-means on the graph autoencoder's embedding."""
        from sklearn.cluster import KMeans

        n = len(state_nh)
        found = merged(louvain(graph, resolution=0.8 if n < 2000 else 0.5, seed=self.seed), state_nh, 5)
        k = int(found.max()) + 1
        if k == 1:
            return found
        place_nd = self._embed(state_nh, graph, device)
        if len(np.unique(place_nd, axis=0)) < k:
            return found
        return merged(KMeans(k, n_init=3, random_state=self.seed).fit_predict(place_nd), place_nd, 5)

    def _embed(self, state_nh: np.ndarray, graph: sp.csr_matrix, device) -> np.ndarray:
        """(n, 16) by a graph autoencoder: two graph convolutions, edges told from other pairs by inner products."""
        import torch
        from torch import nn
        from torch.nn.functional import binary_cross_entropy_with_logits, embedding

        n = len(state_nh)
        x = torch.from_numpy((state_nh > state_nh.mean(0)).astype(np.float32)).to(device)
        looped = (graph > 0).astype(np.float64) + sp.eye_array(n, format="csr")
        scale = sp.diags_array(1 / np.sqrt(np.asarray(looped.sum(1)).ravel()))
        spread = (scale @ looped @ scale).tocoo()
        index = torch.from_numpy(np.stack([spread.row, spread.col]).astype(np.int64))
        strength = torch.from_numpy(spread.data.astype(np.float32))
        adjacency = torch.sparse_coo_tensor(index, strength, (n, n), check_invariants=True).coalesce().to(device)
        ends = adjacency.indices()
        net = nn.ModuleList([nn.Linear(x.shape[1], 32, bias=False), nn.Linear(32, 16, bias=False)]).to(device)

        def encode():
            return torch.sparse.mm(adjacency, net[1](torch.relu(torch.sparse.mm(adjacency, net[0](x)))))

        def loss(_):
            z = encode()
            others = torch.randint(n, ends.shape, device=device)
            near, far = ((embedding(pair[0], z) * embedding(pair[1], z)).sum(1) for pair in (ends, others))
            logits = torch.cat([near, far])
            return binary_cross_entropy_with_logits(
                logits, (torch.arange(len(logits), device=device) < len(near)).float()
            )

        plan = Plan(self.graph_epochs, 1, 0.01)
        train(Player("graph autoencoder", net, loss), 1, plan, seed=self.seed, title="Training scgnn")
        with torch.no_grad():
            return as_array(encode())

    def block(self, columns, sd=False):
        values = self._hidden_nh @ self.weights_["out"][:, columns] + self.weights_["out_bias"][columns]
        return np.where(values < 0.01, np.float32(0), values)


def pruned_graph(state_nh: np.ndarray, k: int) -> sp.csr_matrix:
    """Symmetric graph of the ``k`` nearest, without those further than mean + sd of a cell's ``k`` distances.

    Examples
    --------
    >>> pruned_graph(np.array([[0.0], [1.0], [2.0], [9.0]]), 3).toarray()[0].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    from exval.methods.imputation.neighbours import nearest

    index_nk, distance_nk = nearest(state_nh, min(k + 1, len(state_nh)))
    limit = distance_nk[:, 1:].mean(1) + distance_nk[:, 1:].std(1)
    return neighbour_graph(index_nk, (distance_nk <= limit[:, None] + 1e-12).astype(float))
