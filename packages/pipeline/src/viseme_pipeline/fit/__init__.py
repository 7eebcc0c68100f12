"""Stages trained together: the command line of joint training."""
