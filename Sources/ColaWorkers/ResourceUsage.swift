/// What a process that has ended, and those of its children that it has waited for, have used.
package struct ResourceUsage: Equatable, Sendable {
    /// Time on a processor in the program itself, in microseconds.
    package var userMicroseconds: Int64
    /// Time on a processor in the system on its behalf, in microseconds.
    package var systemMicroseconds: Int64
    /// The most memory that one of them had resident at any time, in bytes.
    package var residentBytesMost: Int64

    package init(userMicroseconds: Int64 = 0, systemMicroseconds: Int64 = 0, residentBytesMost: Int64 = 0) {
        self.userMicroseconds = userMicroseconds
        self.systemMicroseconds = systemMicroseconds
        self.residentBytesMost = residentBytesMost
    }
}
