import ColaCore
import Testing

@testable import ColaServer

@Suite struct InboxTests {
    let first = ChannelID(1)
    let second = ChannelID(2)
    let third = ChannelID(3)

    @Test func withinTheBoundEverybodyGoesOn() {
        var inbox = Inbox(bytesMax: 100)
        #expect(inbox.note(first, 40) == .goOn([]))
        #expect(inbox.note(second, 60) == .goOn([]))
    }

    @Test func beyondItOnlyTheOneThatCameFirstGoesOn() {
        var inbox = Inbox(bytesMax: 100)
        _ = inbox.note(first, 60)
        #expect(inbox.note(second, 50) == .wait)
        #expect(inbox.note(third, 1) == .wait)
        #expect(inbox.note(first, 5_000) == .goOn([]))
        #expect(inbox.isWaiting(second))
    }

    @Test func aWholeRequestMakesRoomForTheOthers() {
        var inbox = Inbox(bytesMax: 100)
        _ = inbox.note(first, 90)
        _ = inbox.note(second, 80)
        #expect(inbox.note(first, 0) == .goOn([second]))
        #expect(!inbox.contains(first))
    }

    @Test func whereThereIsStillNoRoomTheNextOneHasItsTurn() {
        var inbox = Inbox(bytesMax: 100)
        _ = inbox.note(first, 90)
        #expect(inbox.note(second, 101) == .wait)
        #expect(inbox.note(third, 50) == .wait)
        #expect(inbox.note(first, 0) == .goOn([second]))
        #expect(inbox.isWaiting(third))
    }

    @Test func aConnectionThatEndsMakesRoomToo() {
        var inbox = Inbox(bytesMax: 100)
        _ = inbox.note(first, 90)
        _ = inbox.note(second, 80)
        #expect(inbox.remove(first) == [second])
        #expect(inbox.remove(second) == [])
    }

    @Test func aSmallPartNeverWaits() {
        var inbox = Inbox(bytesMax: 100, smallBytes: 10)
        _ = inbox.note(first, 90)
        #expect(inbox.note(second, 60) == .wait)
        #expect(inbox.note(third, 10) == .goOn([]))
        #expect(inbox.note(third, 11) == .wait)
    }

    @Test func theOneInTheWayIsTheFirst() {
        var inbox = Inbox(bytesMax: 100)
        _ = inbox.note(first, 101)
        #expect(inbox.obstacle == nil)
        _ = inbox.note(second, 1)
        #expect(inbox.obstacle?.id == first)
        #expect(inbox.obstacle?.bytes == 101)
        _ = inbox.remove(first)
        #expect(inbox.obstacle == nil)
    }
}
