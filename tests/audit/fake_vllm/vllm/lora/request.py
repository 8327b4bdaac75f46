"""Named by lm-eval's class, and unused."""


class LoRARequest:
    pass
