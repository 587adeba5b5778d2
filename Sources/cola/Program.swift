import Dispatch

/// Where the executable begins.
///
/// The keeper of the workers goes its own way before anything has started a thread: it forks, and a child's signal for
/// the death of its parent comes when the thread ends that forked. All other commands are asynchronous, and run as if
/// `Cola` itself were the main type.
@main enum Program {
    static func main() {
        // Before the threads: what they wait with are descriptors, too.
        occupyClosedStreams()
        ignoreBrokenPipes()
        if CommandLine.arguments.dropFirst().first == Keeping.commandName { Keeping.run() }
        Task { @MainActor in
            await Cola.main()
            exitProcess(0)
        }
        dispatchMain()
    }
}
