"""Objectives, planners and the controller: which actions reach what is wanted."""

from doworld.plan.controller import Controller as Controller
from doworld.plan.controller import controller as controller
from doworld.plan.plan import plan as plan
