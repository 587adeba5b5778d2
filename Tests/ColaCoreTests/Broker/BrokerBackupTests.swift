import ColaCore
import ColaTesting
import Testing

/// Who waits for a copy, and who hears of it.
@Suite struct BrokerBackupTests {
    private static let order = BackupOrder(path: "/backup")

    @Test func theAnswerComesWhenTheCopyIsThereAndOthersGoOnMeanwhile() {
        let scene = Scene(queues: ["jobs"])
        let (asking, other) = (scene.attach(), scene.attach())
        scene.broker.send(.backUp(Self.order), from: asking)
        scene.broker.send(.barrier, from: asking)
        scene.broker.send(.barrier, from: other)
        #expect(scene.answers(asking) == [])
        #expect(scene.answers(other) == [.done])
        scene.broker.apply(.backedUp(.success(4096)))
        #expect(scene.answers(asking) == [.backedUp(bytes: 4096), .done])
    }

    @Test func aSecondOneIsRefusedUntilTheFirstHasEnded() {
        let scene = Scene(queues: [])
        let (first, second) = (scene.attach(), scene.attach())
        scene.broker.send(.backUp(Self.order), from: first)
        scene.broker.send(.backUp(BackupOrder(path: "/other")), from: second)
        #expect(scene.answers(second) == [.refused(code: "busy")])
        scene.broker.apply(.backedUp(.failure(.noRoom(path: "/backup", reason: "full"))))
        #expect(scene.answers(first) == [.refused(code: "storage")])
        scene.broker.send(.backUp(Self.order), from: second)
        scene.broker.apply(.backedUp(.success(1)))
        #expect(scene.answers(second) == [.backedUp(bytes: 1)])
    }

    @Test func howFarItIsIsSeenUntilItEnds() {
        let scene = Scene(queues: [])
        let channel = scene.attach()
        #expect(scene.statistics()["backup"] == Description.Value.none)
        scene.broker.send(.backUp(Self.order), from: channel)
        guard case .fields(let begun)? = scene.statistics()["backup"] else {
            Issue.record("no backup is seen")
            return
        }
        #expect(begun["pages"] == .number(0) && begun["total-pages"] == Description.Value.none)
        scene.broker.apply(.backingUp(BackupProgress(pages: 32, totalPages: 100)))
        guard case .fields(let row)? = scene.statistics()["backup"] else {
            Issue.record("no backup is seen")
            return
        }
        #expect(row["pages"] == .number(32) && row["total-pages"] == .number(100))
        scene.broker.apply(.backedUp(.success(1)))
        #expect(scene.statistics()["backup"] == Description.Value.none)
        scene.broker.apply(.backingUp(BackupProgress(pages: 64, totalPages: 100)))
        #expect(scene.statistics()["backup"] == Description.Value.none)
    }

    @Test func whatTheChannelPublishedBeforeIsInTheCopy() {
        let scene = Scene(queues: ["jobs"])
        let channel = scene.attach()
        var begun = 0
        scene.broker.effectListener = { if case .backUp = $0 { begun += 1 } }
        scene.publish("a", to: "jobs", from: channel)
        scene.broker.send(.backUp(Self.order), from: channel)
        #expect(begun == 0)
        scene.broker.commit()
        #expect(begun == 1)
    }

    @Test func whoLeavesGivesItUp() {
        let scene = Scene(queues: [])
        let (first, second) = (scene.attach(), scene.attach())
        var given = 0
        scene.broker.effectListener = { if case .cancelBackup = $0 { given += 1 } }
        scene.broker.send(.backUp(Self.order), from: first)
        scene.broker.detach(second)
        #expect(given == 0)
        scene.broker.detach(first)
        #expect(given == 1)
        let third = scene.attach()
        scene.broker.send(.backUp(Self.order), from: third)
        #expect(scene.answers(third) == [.refused(code: "busy")])
        scene.broker.apply(.backedUp(.failure(.cancelled(path: "/backup"))))
        #expect(scene.broker.hear(first).isEmpty && scene.broker.hear(third).isEmpty)
    }
}
