/// What a process that has ended used, with those of its descendants that it waited for.
package struct ResourceUsage: Equatable, Sendable {
    package let userMicroseconds: Int64
    package let systemMicroseconds: Int64
    package let residentBytesMost: Int64

    package init(userMicroseconds: Int64, systemMicroseconds: Int64, residentBytesMost: Int64) {
        self.userMicroseconds = userMicroseconds
        self.systemMicroseconds = systemMicroseconds
        self.residentBytesMost = residentBytesMost
    }
}
