// Replay of a past hour on the wall.
"use strict";
