//! What operators ask of it.

use forebay_batcher::{Origin, Position, Watermark};
use forebay_config::StartingPosition;
use forebay_pollers::{
    Backlog, BoxFuture, Explorer, Known, PlaceError, SourceError, Stand, Standing, TrackInfo, TrackName,
};

use super::NumbersSource;
use super::tracks::{FIRST, next_at, origin};

impl NumbersSource {
    fn origin_at(self, start: StartingPosition) -> Origin {
        match start {
            StartingPosition::Latest => origin(self.up_to + 1),
            StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => origin(FIRST),
        }
    }
}

impl Explorer for NumbersSource {
    fn describe<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        let tracks = self.tracks().filter(|it| known.0.contains_key(&it.name)).collect();
        Box::pin(async { Ok(tracks) })
    }

    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        let origins = self.tracks().map(|it| (it.name, self.origin_at(start))).collect();
        Box::pin(async { Ok(origins) })
    }

    fn places<'a>(
        &'a self,
        _known: &'a Known,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async move { Ok(self.origins(start).await?) })
    }

    fn bound<'a>(
        &'a self,
        _track: &'a TrackName,
        told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        let number = told.parse().ok().filter(|it| (FIRST..=self.up_to + 1).contains(it));
        let none = || PlaceError::None(format!("{told:?} is no number up to {}", self.up_to + 1));
        let bound = number.map(|it| Watermark::At(Position::number(it))).ok_or_else(none);
        Box::pin(async { bound })
    }

    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        let left = |track: &TrackInfo| match stands.iter().find(|it| it.track == track.name) {
            Some(it) if it.standing == Standing::Ended => 0,
            Some(it) => (self.up_to + 1).saturating_sub(next_at(&it.bound).unwrap_or(FIRST)),
            None => self.up_to,
        };
        let records = self.tracks().map(|it| left(&it)).sum();
        Box::pin(async move { Ok(Backlog { records: Some(records), bytes: None }) })
    }
}
