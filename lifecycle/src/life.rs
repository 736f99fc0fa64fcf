//! One mapping's life: what it was told last, what runs of it, and what follows.
//!
//! | state | what is under way | ends with |
//! | --- | --- | --- |
//! | running | a task reads and invokes | [`LifeNews::Ended`] |
//! | settling | jobs of a life that failed | [`LifeNews::JobsDone`] |
//! | waiting | the delay before the next life, or before the next try to erase | [`LifeNews::Due`] |
//! | serving | an operator's request, between two lives | [`LifeNews::Served`] |
//! | erasing | the store takes all of it away | [`LifeNews::Erased`] |
//! | resting, absent | nothing | an order |
//!
//! One thing is under way at a time, so positions are never written by two. An order that comes meanwhile is
//! followed when that has ended; a task is told to end at once.

use std::collections::VecDeque;

/// What a mapping is told; `S` says how it is to run or to rest. Only the last order counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredState<S> {
    /// Run like this; what runs otherwise ends in good order first.
    Run(S),
    /// Be there and do nothing.
    Rest(S),
    /// Be gone; the positions stay in the store unless they are to be erased.
    Gone {
        /// They go, too.
        erase: bool,
    },
    /// End with the process.
    End,
}

/// Which request of an operator; whoever asks draws them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorRequestId(pub u64);

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAsk {
    /// Where the tracks stand.
    Stood,
    /// Put tracks elsewhere while it rests.
    Put,
    /// The same also while it runs: it finishes what runs, is put there and goes on.
    Replay,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// It was told to.
    Closed,
    /// It could not begin, or died.
    Failed {
        /// It had gone on for long: the failures before it are forgotten.
        was_good: bool,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeNews<S> {
    /// It is told something else.
    Desired(DesiredState<S>),
    /// An operator asks for something.
    Asked(OperatorRequestId, OperatorAsk),
    /// What [`LifeEffect::Start`] began has ended.
    Ended(LifeEnd),
    /// The jobs of a life that failed have ended.
    JobsDone,
    /// The delay is over.
    Due,
    /// A request was served, well or not; it is answered.
    Served,
    /// The store took all of it away.
    Erased,
    /// The store refused to.
    NotErased,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeEffect<S> {
    /// Others see it like this from here on.
    Show(S),
    /// Begin a life of what is shown.
    Start,
    /// Tell the life to end. It may come again: a later order may have it end in another way.
    Close(Parting),
    /// A life failed, so often in a row. Its jobs are awaited.
    AwaitJobs {
        /// How often.
        n_failures: u32,
    },
    /// The next life begins after the delay that so many failures bring.
    Wait {
        /// How many in a row.
        n_failures: u32,
    },
    /// The delay does not matter any more.
    StopWaiting,
    /// No life goes on: what a life holds is let go of.
    Leave,
    /// It rests as it is shown.
    Rest,
    /// Serve this request, and answer it.
    Serve(OperatorRequestId),
    /// Answer this request so.
    Refuse(OperatorRequestId, RequestRefusal),
    /// Have the store take all of it away.
    Erase,
    /// The store refused: after a moment it is asked again.
    EraseLater,
    /// Nobody sees it any more.
    Remove,
    /// It was told to be gone, and nothing of it is left.
    Vanished,
    /// It ends with the process: nothing follows any more.
    Over,
}

/// What a life ends for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It goes on in another way.
    Change,
    /// It rests.
    Rest,
    /// It is gone.
    Gone {
        /// Its positions, too.
        erase: bool,
    },
    /// The process ends.
    End,
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestRefusal {
    /// It runs.
    Runs,
    /// It is started, changed or ended.
    NotNow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LifeState {
    Absent,
    Running,
    Settling,
    Waiting,
    Resting,
    Serving,
    Erasing,
    EraseWaiting,
    Over,
}

/// One mapping's life.
#[derive(Debug)]
pub struct MappingLife<S> {
    order: DesiredState<S>,
    state: LifeState,
    /// Others see it.
    is_seen: bool,
    /// What it is told differs from what is shown.
    is_news: bool,
    /// The life, or what is left of it, is to end for good.
    is_closing: bool,
    n_failures: u32,
    /// Tracks are put elsewhere as soon as what runs has ended.
    replay: Option<OperatorRequestId>,
    effects: VecDeque<LifeEffect<S>>,
}

impl<S: Clone> MappingLife<S> {
    /// One that nobody has seen yet.
    pub fn new(order: DesiredState<S>) -> Self {
        Self::begin(order, false)
    }

    /// One that is kept anew, after whoever kept it died: others see it already.
    pub fn again(order: DesiredState<S>) -> Self {
        Self::begin(order, true)
    }

    fn begin(order: DesiredState<S>, is_seen: bool) -> Self {
        let mut life = Self {
            order,
            state: LifeState::Absent,
            is_seen,
            is_news: true,
            is_closing: false,
            n_failures: 0,
            replay: None,
            effects: VecDeque::new(),
        };
        life.go_on();
        life
    }

    /// The next thing that is to be done, in this order.
    pub fn poll_effect(&mut self) -> Option<LifeEffect<S>> {
        self.effects.pop_front()
    }

    /// Whether a request may be handed in: while one is served, the next one waits.
    pub fn takes_requests(&self) -> bool {
        self.state != LifeState::Serving
    }

    /// Takes a piece of news. News of what is not under way is none.
    pub fn handle(&mut self, news: LifeNews<S>) {
        match news {
            LifeNews::Desired(order) => self.handle_order(order),
            LifeNews::Asked(id, asked) => self.handle_request(id, asked),
            LifeNews::Ended(end) if self.state == LifeState::Running => self.handle_end(end),
            LifeNews::JobsDone if self.state == LifeState::Settling => self.handle_jobs_done(),
            LifeNews::Due if self.state == LifeState::Waiting => self.start(),
            LifeNews::Due if self.state == LifeState::EraseWaiting => self.erase(),
            LifeNews::Served if self.state == LifeState::Serving => self.handle_served(),
            LifeNews::Erased if self.state == LifeState::Erasing => self.vanish(),
            LifeNews::NotErased if self.state == LifeState::Erasing => self.handle_not_erased(),
            LifeNews::Ended(_)
            | LifeNews::JobsDone
            | LifeNews::Due
            | LifeNews::Served
            | LifeNews::Erased
            | LifeNews::NotErased => {}
        }
    }

    fn handle_order(&mut self, order: DesiredState<S>) {
        self.order = order;
        self.is_news = true;
        match self.state {
            LifeState::Running => self.close(self.parting()),
            // Jobs of a life that failed still hold its tracks: nothing else may begin before they have
            // ended.
            LifeState::Settling => self.is_closing = true,
            LifeState::Waiting => self.stop_waiting(),
            LifeState::EraseWaiting => {
                self.effects.push_back(LifeEffect::StopWaiting);
                self.go_on();
            }
            LifeState::Absent | LifeState::Resting => self.go_on(),
            // Followed when that has ended.
            LifeState::Serving | LifeState::Erasing | LifeState::Over => {}
        }
    }

    fn handle_request(&mut self, id: OperatorRequestId, asked: OperatorAsk) {
        match (self.state, asked) {
            (LifeState::Resting, _) => self.serve(id),
            (LifeState::Running | LifeState::Settling | LifeState::Waiting, OperatorAsk::Put) => {
                self.refuse(id, RequestRefusal::Runs)
            }
            (LifeState::Running | LifeState::Settling | LifeState::Waiting, OperatorAsk::Replay)
                if self.replay.is_none() =>
            {
                self.replay = Some(id);
                if self.state == LifeState::Running {
                    // It goes on afterwards, so its life ends as for a change and not as for a rest.
                    self.close(Parting::Change);
                } else if self.state == LifeState::Waiting {
                    self.stop_waiting();
                } else {
                    self.is_closing = true;
                }
            }
            (_, OperatorAsk::Stood | OperatorAsk::Put | OperatorAsk::Replay) => {
                self.refuse(id, RequestRefusal::NotNow)
            }
        }
    }

    fn handle_end(&mut self, end: LifeEnd) {
        match end {
            LifeEnd::Closed => self.leave(),
            LifeEnd::Failed { was_good } => {
                // A life that went on for long did not fail for the reason of those before it: the delay
                // begins small again.
                self.n_failures = if was_good { 1 } else { self.n_failures.saturating_add(1) };
                self.state = LifeState::Settling;
                self.effects.push_back(LifeEffect::AwaitJobs { n_failures: self.n_failures });
            }
        }
    }

    /// What the jobs bring is lost with their life: their records are read again from the last checkpoint.
    fn handle_jobs_done(&mut self) {
        if self.is_closing {
            return self.leave();
        }
        self.state = LifeState::Waiting;
        self.effects.push_back(LifeEffect::Wait { n_failures: self.n_failures });
    }

    fn handle_served(&mut self) {
        match self.is_news {
            true => self.go_on(),
            false => self.state = LifeState::Resting,
        }
    }

    fn handle_not_erased(&mut self) {
        self.state = LifeState::EraseWaiting;
        match self.order {
            DesiredState::Gone { erase: true } => self.effects.push_back(LifeEffect::EraseLater),
            DesiredState::Gone { erase: false }
            | DesiredState::Run(_)
            | DesiredState::Rest(_)
            | DesiredState::End => self.go_on(),
        }
    }

    fn parting(&self) -> Parting {
        match self.order {
            DesiredState::Run(_) => Parting::Change,
            DesiredState::Rest(_) => Parting::Rest,
            DesiredState::Gone { erase } => Parting::Gone { erase },
            DesiredState::End => Parting::End,
        }
    }

    fn close(&mut self, parting: Parting) {
        self.is_closing = true;
        self.effects.push_back(LifeEffect::Close(parting));
    }

    fn stop_waiting(&mut self) {
        self.effects.push_back(LifeEffect::StopWaiting);
        self.leave();
    }

    /// No life goes on.
    fn leave(&mut self) {
        self.effects.push_back(LifeEffect::Leave);
        self.go_on();
    }

    /// Nothing is under way: follows the last order.
    fn go_on(&mut self) {
        // An order is somebody's will: what it starts need not sit out the delay of failures before it.
        (self.is_closing, self.n_failures) = (false, 0);
        match self.order.clone() {
            DesiredState::Run(_) | DesiredState::Rest(_) if self.replay.is_some() => {
                // What was shown has lost its task.
                self.is_news = true;
                if let Some(id) = self.replay.take() {
                    self.serve(id);
                }
            }
            DesiredState::Run(how) => {
                self.show(how);
                self.start();
            }
            DesiredState::Rest(how) => {
                self.show(how);
                self.state = LifeState::Resting;
                self.effects.push_back(LifeEffect::Rest);
            }
            DesiredState::Gone { erase } => {
                self.drop_replay();
                match (self.is_seen, erase) {
                    // What nobody has seen has written nothing, so there is nothing to erase.
                    (true, true) => self.erase(),
                    (true, false) | (false, _) => self.vanish(),
                }
            }
            DesiredState::End => {
                self.drop_replay();
                self.state = LifeState::Over;
                self.effects.push_back(LifeEffect::Over);
            }
        }
    }

    fn show(&mut self, how: S) {
        (self.is_seen, self.is_news) = (true, false);
        self.effects.push_back(LifeEffect::Show(how));
    }

    fn start(&mut self) {
        self.state = LifeState::Running;
        self.effects.push_back(LifeEffect::Start);
    }

    fn serve(&mut self, id: OperatorRequestId) {
        self.state = LifeState::Serving;
        self.effects.push_back(LifeEffect::Serve(id));
    }

    fn refuse(&mut self, id: OperatorRequestId, why: RequestRefusal) {
        self.effects.push_back(LifeEffect::Refuse(id, why));
    }

    fn drop_replay(&mut self) {
        if let Some(id) = self.replay.take() {
            self.refuse(id, RequestRefusal::NotNow);
        }
    }

    fn erase(&mut self) {
        self.state = LifeState::Erasing;
        self.effects.push_back(LifeEffect::Erase);
    }

    /// Nothing of it is left; another order may have come meanwhile.
    fn vanish(&mut self) {
        if std::mem::take(&mut self.is_seen) {
            self.effects.push_back(LifeEffect::Remove);
        }
        self.state = LifeState::Absent;
        match self.order {
            DesiredState::Gone { .. } => self.effects.push_back(LifeEffect::Vanished),
            DesiredState::Run(_) | DesiredState::Rest(_) | DesiredState::End => self.go_on(),
        }
    }
}
