#!/usr/bin/env python3
"""Trains XGBoost on the price of diamonds and prints its test RMSE for three settings.

    benches/peers/xgboost_diamonds.py data/downloads/diamonds_{train,test}.csv.gz

Categories are native; a tenth of the training rows is used for early stopping. Needs xgboost 3.2 (or xgboost-cpu) and
pandas. Takes ten seconds. Prints:

    depth 6, rate 0.05: 331 trees, test rmse 537.8
"""
import sys

import numpy as np
import pandas as pd
import xgboost

train, test = map(pd.read_csv, sys.argv[1:3])
for table in (train, test):
    for column in ("cut", "color", "clarity"):
        table[column] = table[column].astype("category")
own = np.random.RandomState(0).rand(len(train)) < 0.9
x, y = train.drop(columns="price"), train.price
for depth, rate, least in ((6, 0.05, 1), (8, 0.03, 5), (7, 0.02, 3)):
    model = xgboost.XGBRegressor(
        n_estimators=4000, learning_rate=rate, max_depth=depth, min_child_weight=least, subsample=0.8,
        colsample_bytree=0.8, enable_categorical=True, tree_method="hist", early_stopping_rounds=100)
    model.fit(x[own], y[own], eval_set=[(x[~own], y[~own])], verbose=False)
    off = model.predict(test.drop(columns="price")) - test.price
    print(f"depth {depth}, rate {rate}: {model.best_iteration} trees, test rmse {np.sqrt((off ** 2).mean()):.1f}")
