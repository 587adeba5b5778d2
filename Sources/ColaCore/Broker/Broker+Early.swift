internal import DequeModule

// Early delivery: a message that only one queue gets is handed out before it is durable. If it is settled before its
// batch is cut it is elided: neither it nor its acknowledgement is written, and its answer is due.
//
// With consumers that keep up the disk is out of the way; so a batch in which nothing else is wanted waits a moment for
// them. What survives a crash is still a prefix of all that happened: a batch is cut as a whole.
extension Broker {
    /// A publish whose records may be settled before they are written.
    struct Ticket {
        let lane: Lane
        let channel: Channel
        /// Which of the channel's held answers is its own.
        let held: Int
        let last: Offset
        let began: Instant
        var unsettled: Int
    }

    /// The queue that such a publish leads to; nil if it has to wait for the disk.
    func earlyQueue(for publish: Publish, along route: [Router.Destination], _ id: RequestID) -> Queue? {
        guard limits.isDeliveryEarly, id != .silent, route.count == 1, case .queue(let queue) = route[0],
            queue.isDurable, publish.id == nil || queue.arguments.deduplicationWindow == nil,
            queue.arguments.overflow != .deadLetterPublish
        else { return nil }
        return queue
    }

    func publishEarly(
        _ publish: Publish, to queue: Queue, _ id: RequestID, from channel: Channel, at now: Now
    ) {
        let count = 1 + publish.more.count
        let lane = appendEarly(publish, to: queue, at: now)
        statistics.published += count
        if !queue.isEarlyPending {
            queue.isEarlyPending = true
            earlyQueues.append(queue)
        }
        let held = channel.heldBefore + channel.held.count
        lane.tickets.append((lane.log.next.advanced(by: -1), firstTicket + tickets.count))
        tickets.append(
            Ticket(
                lane: lane, channel: channel, held: held, last: lane.log.next.advanced(by: -1), began: now.monotonic,
                unsettled: count))
        channel.connection.ticketCount += 1
        // Answered when all its records are settled or durable, whichever comes first.
        hold(
            HeldReply(request: id, reply: .done, batch: gathering, unsettled: count, needs: channel.lastBatch),
            of: channel)
    }

    private func appendEarly(_ publish: Publish, to queue: Queue, at now: Now) -> Lane {
        guard publish.isPlain, publish.isToName, queue.hasPlainArguments else {
            append(publish.all, of: publish, to: queue, isEarly: true, at: now)
            return lane(of: publish.priority, in: queue)
        }
        let lane = queue.base
        touchEarly(lane)
        append(publish.message, to: lane, isEarly: true, at: now)
        for message in publish.more { append(message, to: lane, isEarly: true, at: now) }
        queue.counts.published += 1 + publish.more.count
        return lane
    }

    /// A consumer of the channel has settled a record that gathers.
    func elide(_ offset: Offset, bytes: Int, of lane: Lane, by channel: Channel?) {
        statistics.elided += 1
        gatheringBytes -= bytes + MemoryLayout<RecordSegment.Entry>.stride
        lane.log.elide(offset)
        guard let number = lane.ticket(of: offset) else { return }
        let index = number - firstTicket
        let held = tickets[index].held
        tickets[index].unsettled -= 1
        let publisher = tickets[index].channel
        let isLast = tickets[index].unsettled == 0
        // What the consumer published before it settled this may be all that is left of it: then both are safe
        // together or not at all.
        if let connection = channel?.connection,
            connection.lastPublish > durable
                || connection.ticketCount > (isLast && connection === publisher.connection ? 1 : 0)
        {
            tickets[index].unsettled = .max
            isCommitWanted = true
            return
        }
        guard isLast else { return }
        publisher.connection.ticketCount -= 1
        dropTickets()
        let position = held - publisher.heldBefore
        guard position >= 0, position < publisher.held.count else { return }
        publisher.held[position].unsettled = 0
        // Only what it acknowledged before is in the way, and an answer waits for that now.
        if publisher.held[position].needs == gathering { isCommitWanted = true }
        if position == 0 { releaseHeld(of: publisher) }
    }

    /// Publishes that gather and are not settled, and those behind them.
    package var ticketsWaiting: Int { tickets.count }

    /// Those whose records are all settled, from the oldest on.
    private func dropTickets() {
        while !tickets.isEmpty, tickets[0].unsettled == 0 {
            firstTicket += 1
            tickets.removeFirst().lane.tickets.removeFirst()
        }
    }

    /// When the batch is due for the sake of the oldest publish that is not settled: at once if its messages are not
    /// with consumers, or those take long.
    func ticketDeadline(at now: Instant) -> Instant? {
        guard let first = tickets.first else { return nil }
        guard first.lane.cursor.fresh > first.last, gatheringBytes < limits.gatheringBytesMax / 2 else { return now }
        return Instant(first.began.rawValue + first.lane.pace.patience(at: now))
    }

    /// All that gathered is written now.
    func cutTickets() {
        for ticket in tickets {
            ticket.lane.tickets.removeAll()
            guard ticket.unsettled > 0 else { continue }
            ticket.channel.connection.ticketCount = 0
            ticket.channel.connection.lastPublish = gathering
        }
        firstTicket += tickets.count
        tickets.removeAll(keepingCapacity: true)
    }
}

extension Lane {
    /// The number of the ticket that the record at `offset` belongs to.
    fileprivate func ticket(of offset: Offset) -> Int? {
        guard let first = tickets.first else { return nil }
        if offset <= first.end { return first.number }
        var (low, high) = (1, tickets.count)
        while low < high {
            let middle = (low + high) / 2
            if tickets[middle].end < offset { low = middle + 1 } else { high = middle }
        }
        return low < tickets.count ? tickets[low].number : nil
    }
}
