"""The tour: the whole loop on a simulator nobody here wrote, every claim checked against it."""

from doworld.session.tour.checks import Check as Check
from doworld.session.tour.run import Tour as Tour
from doworld.session.tour.run import run as run
