// The parts of the network layer follow.
