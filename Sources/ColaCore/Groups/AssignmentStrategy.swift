package typealias AssignmentStrategy = PartitionAssignor
