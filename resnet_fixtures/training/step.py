"""One step of training on one rank: loss, gradients, update; and the state that a checkpoint keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_fixtures.accuracy.topk import rank_labels
from resnet_fixtures.training.keras_layers import build_model, check_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tensorflow as tf

    from resnet_fixtures.training.recipe import Recipe

Vector = npt.NDArray[np.float32]
STATISTICS = ("mean", "variance")
NOT_DECAYED = ("gamma", "beta")


class TrainingStep:
    """The model with its optimizer: `run` is a whole step of one rank, `gradients` and `apply` are its halves.

    Images are float32 [batch, S, S, 3], labels int32 [batch]. The loss is the mean cross entropy plus
    `weight_decay * sum(v**2) / 2` over all trainable weights but batch norm's. The update is TensorFlow's (and
    PyTorch's) momentum, `m = momentum * m + gradient; v = v - rate * m`. (Keras' SGD has the rate inside `m`, where an
    old rate works on for some steps after a drop; and it took 40 ms for ResNet-50 on 2 cores where this takes 25 ms.)
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        self.step = 0
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._model, self._layers = build_model(
            recipe.architecture, recipe.precision, freeze_batch_norm=recipe.freeze_batch_norm, seed=recipe.seed
        )
        if recipe.zero_last_gamma:
            self._layers.start_blocks_as_identity()
        self._variables: dict[str, tf.Variable] = {
            name: variable.value for name, variable in self._layers.variables().items()
        }
        self._make_slots()
        self._make_functions()

    @property
    def learning_rate(self) -> float:
        """Return the rate of the step that comes next."""
        return self._recipe.learning_rate(self.step, self._steps_per_epoch)

    @property
    def parameters(self) -> int:
        """Count the trainable weights."""
        return int(sum(self._sizes))

    def run(self, images: tf.Tensor, labels: tf.Tensor) -> float:
        """Train on one batch and return its loss."""
        loss = self._run(images, labels, self._rate())
        self.step += 1
        return float(loss)

    def gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[float, Vector]:
        """Return a batch's loss and the cross entropy's gradients [parameters]; the moving statistics have moved.

        The vector is read-only. The L2 term's gradient, which is the same on all ranks, comes in `apply`.
        """
        loss, flat = self._gradients(images, labels)
        return float(loss), np.asarray(memoryview(flat))

    def apply(self, gradients: Vector) -> None:
        """Update the weights by the mean gradients of all ranks [parameters]."""
        self._apply(gradients, self._rate())
        self.step += 1

    def count_correct(self, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> tuple[int, int]:
        """Count the top-1 and top-5 hits by the moving statistics; any number of images."""
        ranks = rank_labels(self._predict(images).numpy(), np.asarray(labels))
        return int((ranks < 1).sum()), int((ranks < 5).sum())

    def tensors(self) -> dict[str, Vector]:
        """Return the state: `weights/<name>`, trainable or not, and `momentum/<name>`."""
        return {name: variable.numpy() for name, variable in self._state().items()}

    def load(self, tensors: Mapping[str, Vector], step: int) -> None:
        """Take the state that `tensors` gave after `step` steps; other names or shapes are an InputError."""
        state = self._state()
        check_arrays(tensors, {name: tuple(variable.shape) for name, variable in state.items()})
        for name, variable in state.items():
            variable.assign(tensors[name])
        self.step = step

    def moving_statistics(self) -> Vector:
        """Return all moving means and variances as one vector."""
        return np.concatenate([variable.numpy() for variable in self._statistics])

    def set_moving_statistics(self, flat: Vector) -> None:
        """Take the vector that `moving_statistics` gave, or a mean of several."""
        ends = np.cumsum([variable.shape[0] for variable in self._statistics])
        for variable, values in zip(self._statistics, np.split(flat, ends[:-1]), strict=True):
            variable.assign(values)

    def _make_slots(self) -> None:
        """Sort the variables into trainable weights, each with its momentum, and statistics."""
        import tensorflow as tf

        named = self._variables.items()
        self._trainable = {name: variable for name, variable in named if not _has_role(name, STATISTICS)}
        self._statistics = [variable for name, variable in named if _has_role(name, STATISTICS)]
        self._decayed = [not _has_role(name, NOT_DECAYED) for name in self._trainable]
        self._sizes = [int(np.prod(variable.shape)) for variable in self._trainable.values()]
        self._momenta = {
            name: tf.Variable(tf.zeros_like(variable), trainable=False) for name, variable in self._trainable.items()
        }

    def _make_functions(self) -> None:
        """Prepare the graphs; each is traced at its first use."""
        import tensorflow as tf

        size, batch = self._recipe.architecture.image_size, self._recipe.batch_size
        images = tf.TensorSpec([batch, size, size, 3], tf.float32)
        any_images = tf.TensorSpec([None, size, size, 3], tf.float32)
        labels = tf.TensorSpec([batch], tf.int32)
        flat, rate = tf.TensorSpec([self.parameters], tf.float32), tf.TensorSpec([], tf.float32)
        self._run = tf.function(self._train, input_signature=[images, labels, rate])
        self._gradients = tf.function(self._flat_gradients, input_signature=[images, labels])
        self._apply = tf.function(self._update_flat, input_signature=[flat, rate])
        self._predict = tf.function(self._probabilities, input_signature=[any_images])

    def _rate(self) -> Any:
        return np.float32(self.learning_rate)

    def _state(self) -> dict[str, tf.Variable]:
        weights = {f"weights/{name}": variable for name, variable in self._variables.items()}
        return weights | {f"momentum/{name}": variable for name, variable in self._momenta.items()}

    def _train(self, images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        loss, gradients = self._differentiate(images, labels)
        self._update(gradients, rate)
        return loss

    def _flat_gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        loss, gradients = self._differentiate(images, labels)
        return loss, tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)

    def _update_flat(self, flat: tf.Tensor, rate: tf.Tensor) -> None:
        import tensorflow as tf

        variables = self._trainable.values()
        parts = tf.split(flat, self._sizes)
        self._update([tf.reshape(part, variable.shape) for part, variable in zip(parts, variables, strict=True)], rate)

    def _probabilities(self, images: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.nn.softmax(self._model(images, training=False))

    def _differentiate(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the loss with its L2 term, and the gradients of the cross entropy alone."""
        import tensorflow as tf

        variables = list(self._trainable.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = self._model(images, training=True)
            loss = tf.reduce_mean(_cross_entropy(labels, logits, self._recipe.label_smoothing))
        return loss + self._l2_term(), tape.gradient(loss, variables)

    def _l2_term(self) -> tf.Tensor:
        import tensorflow as tf

        decayed = zip(self._trainable.values(), self._decayed, strict=True)
        return self._recipe.weight_decay * tf.add_n([tf.nn.l2_loss(variable) for variable, is_it in decayed if is_it])

    def _update(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        import tensorflow as tf

        momenta = self._momenta.values()
        for variable, momentum, gradient, is_decayed in zip(
            self._trainable.values(), momenta, gradients, self._decayed, strict=True
        ):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=momentum.handle,
                lr=rate,
                grad=gradient + self._recipe.weight_decay * variable if is_decayed else gradient,
                momentum=self._recipe.momentum,
            )


def _has_role(name: str, roles: tuple[str, ...]) -> bool:
    return name.rpartition("/")[2] in roles


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return [batch]; smoothing spreads its share of each label evenly over all classes, as the reference's does."""
    import tensorflow as tf

    if not smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    classes = logits.shape[-1]
    targets = tf.one_hot(labels, classes, 1 - smoothing + smoothing / classes, smoothing / classes)
    return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
